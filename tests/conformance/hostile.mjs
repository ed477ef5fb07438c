import { Suite } from "./suite.mjs";
const suite = new Suite("hostile");
export default suite;
