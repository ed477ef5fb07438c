import { Suite } from "./suite.mjs";
const suite = new Suite("engineio");
export default suite;
