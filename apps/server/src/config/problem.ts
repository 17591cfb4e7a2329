/** Something wrong with a key of the configuration. */
export interface Problem {
  /** Path of the key: `channels[1].match`. */
  readonly key: string;
  readonly message: string;
}
