import { declareRoundTrip } from "./support/declare-round-trip.js";

declareRoundTrip({ major: 18, initdb: ["--data-checksums"], checksums: true });
