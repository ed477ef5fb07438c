import { Suite } from "./suite.mjs";
const suite = new Suite("socketio");
export default suite;
