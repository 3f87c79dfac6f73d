// The versions of A2A this platform speaks (ruling R7). Each has its folder here; what all of them meet in is v0.3.

/** What a caller speaks. `0.2` stands for all that came before v0.3: its names are told by the methods. */
export type Version = '0.2' | '0.3' | '1.0';

/** What an agent is spoken to in; no agent asks for an older one than the canonical. */
export type TargetVersion = Exclude<Version, '0.2'>;
