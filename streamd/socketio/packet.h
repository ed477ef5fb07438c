/*
 * The wire formats of Engine.IO 4 and Socket.IO 5, read and written: Engine.IO's packets ("4" and
 * a message, "2" a ping, "b" and base64 for binary data where only text goes), its payloads
 * (packets of a poll, joined by 0x1e), and Socket.IO's packets within messages (socket.io-protocol
 * revision 5). Of its other parser's form there is enough to refuse it. No state, no I/O; what is
 * read points into the input or the arena. Any thread.
 */
#ifndef STREAMD_SOCKETIO_PACKET_H
#define STREAMD_SOCKETIO_PACKET_H

#include <millrace/arena.h>

#define PAYLOAD_SEPARATOR '\x1e'

/* Engine.IO's, by their digit. */
enum packet_type {
	PACKET_OPEN = '0',
	PACKET_CLOSE = '1',
	PACKET_PING = '2',
	PACKET_PONG = '3',
	PACKET_MESSAGE = '4',
	PACKET_UPGRADE = '5',
	PACKET_NOOP = '6'
};

struct packet {
	enum packet_type type;
	bool binary; /* a message of bytes */
	struct str data;
};

/* Reads one packet in text form; false where it is malformed. */
bool packet_read(struct arena *a, struct str text, struct packet *out);
/* Reads the next packet of a payload. *rest is the payload at first, is moved on, and is absent
   after the last. False where it is malformed. */
bool payload_next(struct arena *a, struct str *rest, struct packet *out);
/* Writes a message in text form. */
void packet_put(struct buf *b, bool binary, struct str message);

/* Socket.IO's, by their digit. */
enum sio_type {
	SIO_CONNECT,
	SIO_DISCONNECT,
	SIO_EVENT,
	SIO_ACK,
	SIO_CONNECT_ERROR,
	SIO_BINARY_EVENT,
	SIO_BINARY_ACK
};

#define SIO_ATTACHMENTS_MAX 10
#define SIO_NAMESPACE_MAX 100
#define SIO_ID_MAX ((int64_t)1 << 53)
#define SIO_NO_ID (-1)
/* Bytes of an event's name, as it is in JSON. */
#define SIO_NAME_MAX 200

struct sio_packet {
	enum sio_type type;
	unsigned attachments; /* binary messages that follow */
	struct str nsp; /* "/" where it is not given */
	int64_t id; /* SIO_NO_ID: none */
	struct str data; /* valid JSON (json_scan.h) of the kind that the type has; or absent */
};

/* Reads a message of Socket.IO; false where it is malformed, or beyond the limits above. */
bool sio_read(struct str text, struct sio_packet *out);
/* Writes a packet; `data` is JSON, or absent. */
void sio_put(struct buf *b, const struct sio_packet *p);

/* Is the message of bytes a packet of socket.io-msgpack-parser, {type, data, nsp} in MessagePack?
 *nsp is its namespace. */
bool sio_is_msgpack(struct str bytes, struct str *nsp);
/* Writes a CONNECT_ERROR in that form; nsp is sio_is_msgpack's, `text` has less than 256 bytes. */
void sio_put_msgpack_error(struct buf *b, struct str nsp, struct str text);

#endif
