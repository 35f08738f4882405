import { declareRoundTrip } from "./support/declare-round-trip.js";

declareRoundTrip({ major: 15, initdb: ["--data-checksums"], checksums: true });
