import { declareRoundTrip } from "./support/declare-round-trip.js";

declareRoundTrip({ major: 16, initdb: ["--data-checksums"], checksums: true });
