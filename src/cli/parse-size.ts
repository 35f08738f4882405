/** The longest number: beyond it the product is no exact number of bytes. */
const SIZE = /^(\d{1,9}(?:\.\d{1,3})?|\d{1,15}) ?(?:bytes?|b|([kmgt])(?:i?b)?)?$/i;

/**
 * Reads a size as people write it and as sizes are printed: `4096`, `500k`, `10M`, `10 MB`, `1.5GiB`, `12 bytes`. Powers of
 * 1024, as Postgres's units. Undefined for what is no size.
 */
export function parseSize(text: string): bigint | undefined {
  const [, number, unit] = SIZE.exec(text) ?? [];
  if (number === undefined) return undefined;
  return BigInt(Math.floor(Number(number) * 1024 ** " kmgt".indexOf((unit ?? " ").toLowerCase())));
}
