/** What names may be: of ports and fabrics, and of Linux interfaces. */
import { text, type Rule } from './options.js'

/** @internal A rule for port and fabric names. */
export const nameRule = <D extends string | undefined = undefined>(fallback?: D): Rule<string | D> =>
  text({
    max: 64,
    pattern: /^[^\s./>,][^\s/>,]*$/,
    expects: "a name of 1 to 64 characters without spaces, '/', ',' or '>'",
    default: fallback as D,
  })

/** @internal A rule for the names of Linux interfaces (netdevice(7)). */
export const interfaceRule = (): Rule<string | undefined> =>
  text({
    max: 15,
    pattern: /^(?!\.{1,2}$)[^\s/:\0]{1,15}$/,
    expects: "an interface name of 1 to 15 characters without spaces, '/' or ':'",
  })

/** @internal A rule for what topology files name: hosts, fabrics, ports, worlds. */
export const entryName = (): Rule<string | undefined> =>
  text({ max: 63, pattern: /^[A-Za-z0-9_-]{1,63}$/, expects: "1 to 63 letters, digits, '-' or '_'" })
