import { declareRoundTrip } from "./support/declare-round-trip.js";

declareRoundTrip({ major: 14, initdb: [], checksums: false });
