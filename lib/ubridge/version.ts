/**
 * The version of ubridge that clients are told: the least that GNS3's servers ask for (1.2.3 since 3.1, 0.9.14 before) whose
 * commands are offered here. Its own file, since the command line asks for it without the rest.
 */
export const spokenVersion = '1.2.3'
