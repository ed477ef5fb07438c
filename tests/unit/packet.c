/* streamd/socketio/packet.c and streamd/json_scan.c: packets of Engine.IO and Socket.IO are read
   and written, and malformed ones refused. */
#include "streamd/socketio/packet.h"
#include "streamd/json_scan.h"
#include "test.h"

#define TEXT(s)                     \
	{                           \
		s, sizeof("" s) - 1 \
	}

static const struct str good_json[] = {
	TEXT("0"),
	TEXT("-0.5e+10"),
	TEXT(" [ ] "),
	TEXT("{}"),
	TEXT("null"),
	TEXT("\"\\u0000\\ud83d\""),
	TEXT("[1,\"2\",{\"3\":[true,false,null]}]"),
	TEXT("\"\\u00e4\\ud83d\\ude00\\n\\/\\\\\\\"\""),
	TEXT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
};

static const struct str bad_json[] = {
	TEXT(""),
	TEXT(" "),
	TEXT("01"),
	TEXT("1."),
	TEXT("-"),
	TEXT("1e"),
	TEXT("[1,]"),
	TEXT("[1 2]"),
	TEXT("[1"),
	TEXT("{\"a\"}"),
	TEXT("{\"a\":1,}"),
	TEXT("{a:1}"),
	TEXT("\"\\x\""),
	TEXT("\"\\u12\""),
	TEXT("\"\\u00g0\""),
	TEXT("\"\\u\""),
	TEXT("\"\n\""),
	TEXT("\"open"),
	TEXT("tru"),
	TEXT("1 1"),
	TEXT("[]]"),
	TEXT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
};

static void
test_scan(void)
{
	bool good = true;

	for (size_t i = 0; i < sizeof(good_json) / sizeof(*good_json); i++)
		EACH(good, json_scan_is_value(good_json[i], 0), "%.*s", S_ARG(good_json[i]));
	CHECK("json_scan_is_value accepts JSON", good);
	good = true;
	for (size_t i = 0; i < sizeof(bad_json) / sizeof(*bad_json); i++)
		EACH(good, !json_scan_is_value(bad_json[i], 0), "%.*s", S_ARG(bad_json[i]));
	CHECK("json_scan_is_value refuses anything else", good);
}

static void
test_elements(void)
{
	struct str rest = S(" [ \"a]\" , {\"b\":[1,2]} ,3 ] "), one;
	bool first = json_scan_element(&rest, &one) && str_eq(one, S("\"a]\""));
	bool second = json_scan_element(&rest, &one) && str_eq(one, S("{\"b\":[1,2]}"));
	bool third = json_scan_element(&rest, &one) && str_eq(one, S("3"));
	struct arena *a = arena_new();
	struct str text;

	CHECK("json_scan_element cuts an array",
	    first && second && third && !json_scan_element(&rest, &one));
	rest = S("[ ]");
	CHECK("json_scan_element: an empty array has none", !json_scan_element(&rest, &one));
	CHECK("json_scan_text reads a string",
	    json_scan_text(a, S("\"a\\u00e4\\n\""), 20, &text) && str_eq(text, S("a\xc3\xa4\n")));
	CHECK("json_scan_text: NUL, a single surrogate",
	    !json_scan_text(a, S("\"\\u0000\""), 20, &text) &&
		!json_scan_text(a, S("\"\\ud83d\""), 20, &text));
	CHECK("json_scan_text: not a string, too long",
	    !json_scan_text(a, S("12"), 20, &text) && !json_scan_text(a, S("\"1234\""), 3, &text));
	arena_free(a);
}

static void
test_places(void)
{
	struct str two = S("[{\"_placeholder\":true,\"num\":0},{\"x\":{ \"num\" : 1 , "
			   "\"_placeholder\" : true }}]");

	CHECK("placeholders for attachments that follow", json_scan_is_value(two, 2));
	CHECK("placeholders for attachments that do not follow", !json_scan_is_value(two, 1));
	CHECK("a placeholder without a number, or with a wrong one",
	    !json_scan_is_value(S("{\"_placeholder\":true}"), 1) &&
		!json_scan_is_value(S("{\"_placeholder\":true,\"num\":-1}"), 1) &&
		!json_scan_is_value(S("{\"_placeholder\":true,\"num\":\"0\"}"), 1) &&
		!json_scan_is_value(S("{\"_placeholder\":true,\"num\":0.5}"), 1));
	CHECK("without attachments there are no placeholders", json_scan_is_value(two, 0));
}

static void
test_engine(void)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	struct packet p;
	struct str rest = S("4hello\x1e"
			    "2probe\x1e"
			    "bAQIDBA==\x1e"
			    "3");
	bool good;

	good = payload_next(a, &rest, &p) && p.type == PACKET_MESSAGE && !p.binary &&
	       str_eq(p.data, S("hello"));
	good = good && payload_next(a, &rest, &p) && p.type == PACKET_PING &&
	       str_eq(p.data, S("probe"));
	good = good && payload_next(a, &rest, &p) && p.type == PACKET_MESSAGE && p.binary &&
	       str_eq(p.data, S("\1\2\3\4"));
	good = good && payload_next(a, &rest, &p) && p.type == PACKET_PONG && p.data.n == 0;
	CHECK("a payload, packet by packet", good && !rest.p);
	CHECK("malformed packets: empty, an unknown type, a letter",
	    !packet_read(a, S(""), &p) && !packet_read(a, S("7"), &p) &&
		!packet_read(a, S("abc"), &p));
	CHECK("a malformed packet: invalid base64",
	    !packet_read(a, S("bAQ*="), &p) && !packet_read(a, S("bA"), &p));
	CHECK("base64 without its padding", packet_read(a, S("bAQIDBA"), &p) && p.data.n == 4);
	rest = S("4a\x1e");
	CHECK("an empty packet at the end is malformed",
	    payload_next(a, &rest, &p) && rest.p && !payload_next(a, &rest, &p));
	packet_put(&b, false, S("hi"));
	buf_put(&b, S("\x1e"));
	packet_put(&b, true, S("\1\2\3\4"));
	CHECK("packets in text form", str_eq(buf_str(&b), S("4hi\x1e"
							    "bAQIDBA==")));
	arena_free(a);
}

/* What a packet is, on one line: type, attachments, namespace, id, data; or "bad". */
static struct str
told(struct arena *a, struct str text)
{
	struct sio_packet p;

	if (!sio_read(text, &p))
		return S("bad");
	return arena_printf(a, "%d %u %.*s %lld %.*s", (int)p.type, p.attachments, S_ARG(p.nsp),
	    (long long)p.id, S_ARG(p.data));
}

static const struct {
	struct str text, told;
} packets[] = {
	{ TEXT("0"), TEXT("0 0 / -1 ") },
	{ TEXT("0{\"token\":\"123\"}"), TEXT("0 0 / -1 {\"token\":\"123\"}") },
	{ TEXT("0/custom"), TEXT("0 0 /custom -1 ") },
	{ TEXT("0/custom,{\"a\":1}"), TEXT("0 0 /custom -1 {\"a\":1}") },
	{ TEXT("1"), TEXT("1 0 / -1 ") },
	{ TEXT("1/admin,"), TEXT("1 0 /admin -1 ") },
	{ TEXT("2[\"foo\"]"), TEXT("2 0 / -1 [\"foo\"]") },
	{ TEXT("2/admin,12[\"foo\",1]"), TEXT("2 0 /admin 12 [\"foo\",1]") },
	{ TEXT("2[7]"), TEXT("2 0 / -1 [7]") },
	{ TEXT("29007199254740992[\"a\"]"), TEXT("2 0 / 9007199254740992 [\"a\"]") },
	{ TEXT("3/admin,456[]"), TEXT("3 0 /admin 456 []") },
	{ TEXT("4\"no\""), TEXT("4 0 / -1 \"no\"") },
	{ TEXT("52-[\"a\",{\"_placeholder\":true,\"num\":1}]"),
	    TEXT("5 2 / -1 [\"a\",{\"_placeholder\":true,\"num\":1}]") },
	{ TEXT("61-/b,13[{\"_placeholder\":true,\"num\":0}]"),
	    TEXT("6 1 /b 13 [{\"_placeholder\":true,\"num\":0}]") },
};

static const struct str bad_packets[] = {
	TEXT(""),
	TEXT("7"),
	TEXT("abc"),
	TEXT("0[]"),
	TEXT("0\"a\""),
	TEXT("1{}"),
	TEXT("2"),
	TEXT("2{}"),
	TEXT("2[]"),
	TEXT("2[null]"),
	TEXT("2[{}]"),
	TEXT("2[\"connect\"]"),
	TEXT("2[\"disconnect\",1]"),
	TEXT("2[\"newListener\"]"),
	TEXT("2[\"a\"]x"),
	TEXT("2abc[\"a\"]"),
	TEXT("2-1[\"a\"]"),
	TEXT("29007199254740993[\"a\"]"),
	TEXT("299999999999999999999999[\"a\"]"),
	TEXT("3[]"),
	TEXT("3"),
	TEXT("4"),
	TEXT("41"),
	TEXT("5[\"a\"]"),
	TEXT("50-[\"a\"]"),
	TEXT("511-[\"a\"]"),
	TEXT("5-[\"a\"]"),
	TEXT("51"),
	TEXT("51-"),
	TEXT("51-[\"a\",{\"_placeholder\":true,\"num\":1}]"),
};

static void
test_socketio(void)
{
	struct arena *a = arena_new();
	bool good = true, same = true;

	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		struct buf b = { .a = a };
		struct sio_packet p;

		EACH(good, str_eq(told(a, packets[i].text), packets[i].told), "%.*s",
		    S_ARG(packets[i].text));
		if (!sio_read(packets[i].text, &p))
			continue;
		sio_put(&b, &p);
		EACH(same, str_eq(told(a, buf_str(&b)), packets[i].told), "%.*s",
		    S_ARG(packets[i].text));
	}
	CHECK("Socket.IO's packets are read", good);
	CHECK("and written unchanged", same);
	good = true;
	for (size_t i = 0; i < sizeof(bad_packets) / sizeof(*bad_packets); i++)
		EACH(
		    good, str_eq(told(a, bad_packets[i]), S("bad")), "%.*s", S_ARG(bad_packets[i]));
	CHECK("and malformed ones are refused", good);
	arena_free(a);
}

static void
test_limits(void)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	struct sio_packet p;

	buf_put(&b, S("0/"));
	while (b.n < 1 + SIO_NAMESPACE_MAX)
		buf_put(&b, S("n"));
	CHECK("the longest namespace", sio_read(buf_str(&b), &p));
	buf_put(&b, S("n"));
	CHECK("one longer", !sio_read(buf_str(&b), &p));
	CHECK("ten attachments", sio_read(S("510-[\"a\"]"), &p) && p.attachments == 10);
	arena_free(a);
}

/* What socket.io-msgpack-parser writes for a CONNECT to the namespace. */
static struct str
msgpack_connect(struct arena *a, struct str nsp)
{
	struct buf b = { .a = a };

	buf_put(&b, S("\x83\xa4type\0\xa4"
		      "data\x81\xa5token\xa5"
		      "a\xa3nsp\xa3nsp"));
	if (nsp.n < 32)
		buf_printf(&b, "%c", (char)(0xa0 + nsp.n));
	else
		buf_printf(&b, "\xd9%c", (char)nsp.n);
	buf_put(&b, nsp);
	return buf_str(&b);
}

static void
test_msgpack(void)
{
	static const struct str others[] = { TEXT(""), TEXT("\x83"), TEXT("\x83\xa4typ"),
		TEXT("\x83\xa3nsp\xa1/"), TEXT("\1\2\3\4\5\6\7"), TEXT("{\"type\":0}") };
	static const struct str odd[] = { TEXT("\x81\xa4type\0"), TEXT("\x82\xa4type\0\xa3nsp"),
		TEXT("\x82\xa4type\0\xa3nsp\xa2/"), TEXT("\x82\xa4type\0\xa3nsp\xd9"),
		TEXT("\x82\xa4type\0\xa3nsp\xd9\5/"), TEXT("\x82\xa4type\0\xa3nsp\xda\0\1/"),
		TEXT("\x82\xa4type\0\xa3nsp\xa1\xff") };
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	struct str nsp, longer = S("/namespace-of-more-than-31-letters");
	bool good = true;

	CHECK("MessagePack's namespace",
	    sio_is_msgpack(msgpack_connect(a, S("/shop")), &nsp) && str_eq(nsp, S("/shop")));
	CHECK(
	    "a long one", sio_is_msgpack(msgpack_connect(a, longer), &nsp) && str_eq(nsp, longer));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		EACH(good, !sio_is_msgpack(others[i], &nsp), "%zu", i);
	CHECK("other bytes are no packet of it", good);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		EACH(good, sio_is_msgpack(odd[i], &nsp) && str_eq(nsp, S("/")), "%zu", i);
	CHECK("a namespace that cannot be read is the main one", good);
	sio_put_msgpack_error(&b, S("/a"), S("no"));
	CHECK("CONNECT_ERROR in its form",
	    str_eq(buf_str(&b), S("\x83\xa4type\x04\xa3nsp\xd9\x02/a\xa4"
				  "data\x81\xa7message\xd9\x02no")));
	arena_free(a);
}

int
main(void)
{
	test_scan();
	test_elements();
	test_places();
	test_engine();
	test_socketio();
	test_limits();
	test_msgpack();
	return test_end();
}
