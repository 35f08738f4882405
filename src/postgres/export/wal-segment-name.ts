/** Name of a WAL segment's file (manual: WAL Internals): timeline, and the segment's number in two halves. */
export function walSegmentName(timelineId: number, segmentNumber: bigint, walSegmentSize: number): string {
  const perHalf = 0x100000000n / BigInt(walSegmentSize);
  return [BigInt(timelineId), segmentNumber / perHalf, segmentNumber % perHalf]
    .map((part) => part.toString(16).toUpperCase().padStart(8, "0"))
    .join("");
}
