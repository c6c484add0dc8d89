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
    pattern: /^(?!\.{1,2}$)[^\s/:]+$/,
    expects: "an interface name of 1 to 15 characters without spaces, '/' or ':'",
  })
