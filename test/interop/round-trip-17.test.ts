import { declareRoundTrip } from "./support/declare-round-trip.js";

declareRoundTrip({ major: 17, initdb: ["--data-checksums"], checksums: true });
