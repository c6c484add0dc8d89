// What a Node with the address sanitizer loads before anything else; test.mjs makes the command that starts such a Node.
//
// The sanitizer's library has to be in a process from its beginning, so it comes by LD_PRELOAD, which every child would
// inherit: programs that were never built for it, which then stop for want of address space or under a filter of system
// calls, or print more than their answers. So no child does, and who starts a Node from here gets the same command again.
delete process.env.LD_PRELOAD
process.execPath = process.env.ETHERLOOM_SANITIZED_NODE
