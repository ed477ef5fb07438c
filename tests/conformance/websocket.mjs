/*
 * WebSocket: RFC 6455 and RFC 7692 section by section, against an echo at /echo.
 * The cases that begin with a number are those of the public Autobahn test suite
 * for a server, under its own numbers (517); those with a letter are ours:
 *   h  the opening handshake       m  masks, lengths, the connection's end
 *   d  permessage-deflate's offers and messages
 * Where Autobahn takes a lesser behaviour as "non-strict", so do we, and say so.
 */
import { Suite } from "./suite.mjs";
import { handshake } from "./websocket/handshake.mjs";
import { closing, frames } from "./websocket/frames.mjs";
import { text } from "./websocket/text.mjs";
import { limits } from "./websocket/limits.mjs";
import { deflate } from "./websocket/deflate.mjs";

const suite = new Suite("websocket");
handshake(suite);
frames(suite);
text(suite);
closing(suite);
limits(suite);
deflate(suite);
export default suite;
