import { declareRoundTrip } from "./support/declare-round-trip.js";

declareRoundTrip({ major: 18, initdb: ["--no-data-checksums"], checksums: false });
