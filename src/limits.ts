/** Every limit and size that two ends, or a file and its reader, must agree on. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Longest CopyData message of a sync session, in bytes, its five bytes of type and length not counted. */
export const MAX_SESSION_MESSAGE_BYTES = 4 * MiB;

/** Longest message of any other kind that a page server takes from a client, in bytes: a command and its arguments. */
export const MAX_COMMAND_BYTES = 64 * KiB;

/** Payload of a frame before compression, in bytes, at which a writer begins the next frame. */
export const FRAME_CONTENT_BYTES = 1 * MiB;

/** Longest payload of a frame after decompression that a receiver takes, in bytes. */
export const MAX_FRAME_CONTENT_BYTES = 3 * MiB;

/** Longest header of a frame, in bytes. Today's are at most 130; what later versions add has to fit too. */
export const MAX_FRAME_HEADER_BYTES = 1 * KiB;

/** Longest content of a chain's first frame, in bytes. It holds the start record alone. */
export const MAX_START_CONTENT_BYTES = 256 * KiB;

/** Most fields of a frame's content, or of another session message, those of the messages in it counted too. */
export const MAX_MESSAGE_FIELDS = 64 * KiB;

/** Bytes of frames that a receiver lets a sender be ahead of the last acknowledgement. */
export const SESSION_WINDOW_BYTES = 64 * MiB;

/** Bytes of frames after which a receiver makes them durable and acknowledges them: well before the window is full. */
export const ACKNOWLEDGE_BYTES = SESSION_WINDOW_BYTES / 4;

/** Milliseconds after which it does so with less, or a crash would cost a slow line minutes of sending. */
export const ACKNOWLEDGE_MS = 2000;

/** Most frames that an Offer names: 16 recent ones, one for each doubling of the distance up to 2^53, and room. */
export const MAX_LOCATOR_POSITIONS = 128;

/** Most frames that a Locate asks for. */
export const MAX_LOCATE_POSITIONS = 64;

/** Longest text of another program, such as an error's message, that is passed on, in UTF-16 units; the rest is cut off. */
export const MAX_FOREIGN_TEXT = 1000;

/** The same for the detail of an error or notice, which can be data. */
export const MAX_FOREIGN_DETAIL = 8000;

/** Milliseconds for which the other end of a sync session may send nothing. Each end says three times as often that it lives. */
export const SESSION_SILENCE_MS = 60_000;

/** Bytes at which a segment is sealed and its session goes on in a new one. */
export const SEGMENT_BYTES = 256 * MiB;

/** Sequence numbers stay exact in a JavaScript number below this. */
export const MAX_SEQ = Number.MAX_SAFE_INTEGER;

/** Longest path of a file below a data directory, in bytes: what Linux takes (PATH_MAX). */
export const MAX_CLUSTER_PATH_BYTES = 4096;

/** The only block size that neon takes, in bytes (Postgres's default). */
export const BLOCK_SIZE = 8192;

/** Milliseconds for which a Postgres that recovers a branch to prove it may say nothing before it is given up. */
export const BOOT_SILENCE_MS = 600_000;
