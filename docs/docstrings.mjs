// A plug-in of typedoc that asks for a docstring of each property and accessor of a class or an interface. typedoc's own
// `requiredToBeDocumented` would ask for those of every object in a type as well, such as `{ min, max }`. typedoc.json names it.
import { ReflectionKind } from 'typedoc'

const asked = ReflectionKind.Property | ReflectionKind.Accessor
const owners = ReflectionKind.Class | ReflectionKind.Interface

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on('resolveEnd', ({ project }) => {
    for (const each of project.getReflectionsByKind(asked)) {
      if (!each.parent?.kindOf(owners) || each.inheritedFrom) continue
      const documented = each.hasComment() || each.getSignature?.hasComment() || each.setSignature?.hasComment()
      if (!documented && !each.signatures) app.logger.warn(`${each.getFriendlyFullName()} does not have any documentation`)
    }
  })
}
