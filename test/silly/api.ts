/**
 * What etherloom and etherloom/testing export, read from their own declarations by the compiler of TypeScript: each class and
 * function with its parameters, those in exported objects as well. So a new export is tried by itself.
 */
import ts from 'typescript'
import { fileURLToPath } from 'node:url'

/** A type as far as values of it can be made up. Others are referred to by their place in `Api.types`. */
export type Type =
  | { kind: 'any' | 'bigint' | 'boolean' | 'bytes' | 'null' | 'number' | 'signal' | 'string' | 'undefined' }
  | { kind: 'literal'; value: string | number }
  /** Texts with a number between each two. */
  | { kind: 'template'; texts: readonly string[] }
  | { kind: 'union'; of: readonly number[] }
  | { kind: 'list'; of: number }
  | { kind: 'tuple'; of: readonly number[] }
  | { kind: 'function'; returns: number }
  /** One of our classes, by its name. */
  | { kind: 'instance'; of: string }
  | { kind: 'object'; keys: readonly { name: string; optional: boolean; type: number }[] }

export interface Member {
  /** The class, exported object or, of a function, its own name. */
  owner: string
  kind: 'new' | 'static' | 'method' | 'get' | 'set' | 'function'
  /** As in the declaration; of symbols as `Symbol.iterator`. */
  name: string
  /** Their types. */
  parameters: readonly number[]
  /** A constructor that is not for users, who can call it all the same: it may refuse as it likes. */
  internal: boolean
}

export interface Api {
  types: readonly Type[]
  members: readonly Member[]
  /** The names of all classes, of those that are only exported as types as well. */
  classes: readonly string[]
}

const library = fileURLToPath(new URL('../../lib/', import.meta.url))

export function readApi(): Api {
  const entries = [`${library}index.ts`, `${library}testing/index.ts`]
  const program = ts.createProgram(entries, {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    types: ['node'],
    noEmit: true,
  })
  const sources = entries.map((entry) => program.getSourceFile(entry) as ts.SourceFile)
  return new Reader(program.getTypeChecker(), sources).read()
}

class Reader {
  readonly #checker: ts.TypeChecker
  readonly #sources: readonly ts.SourceFile[]
  readonly #types: Type[] = []
  readonly #known = new Map<ts.Type, number>()
  readonly #classes = new Map<ts.Symbol, string>()

  constructor(checker: ts.TypeChecker, sources: readonly ts.SourceFile[]) {
    this.#checker = checker
    this.#sources = sources
  }

  read(): Api {
    const checker = this.#checker
    const exported = this.#sources
      .flatMap((source) => checker.getExportsOfModule(checker.getSymbolAtLocation(source) as ts.Symbol))
      .map(
        (each) =>
          [each.name, each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each] as const,
      )
    for (const [name, symbol] of exported)
      if (symbol.flags & ts.SymbolFlags.Class) this.#classes.set(symbol, name)
    const members = exported.flatMap(([name, symbol]) => {
      if (symbol.flags & ts.SymbolFlags.Class) return this.#membersOf(name, symbol)
      if (!(symbol.flags & ts.SymbolFlags.Value)) return []
      const type = checker.getTypeOfSymbol(symbol)
      const signatures = type.getCallSignatures()
      if (signatures.length > 0) return [this.#member(name, 'function', name, signatures, false)]
      return this.#classes.has(type.symbol) ? [] : this.#functionsOf(name, type)
    })
    return {
      types: this.#types,
      members: members.filter(({ kind, internal }) => kind === 'new' || !internal),
      classes: [...this.#classes.values()],
    }
  }

  /** Of an exported object, such as `assertLab`. */
  #functionsOf(owner: string, type: ts.Type): Member[] {
    return this.#checker.getPropertiesOfType(type).flatMap((property) => {
      const signatures = this.#checker.getTypeOfSymbol(property).getCallSignatures()
      return signatures.length > 0 && (isOurs(property) || !property.declarations)
        ? [this.#member(owner, 'static', nameOf(property), signatures, false)]
        : []
    })
  }

  #membersOf(owner: string, symbol: ts.Symbol): Member[] {
    const checker = this.#checker
    const own = (type: ts.Type, kind: 'static' | 'method'): Member[] =>
      checker.getPropertiesOfType(type).flatMap((property) => {
        const { declarations = [] } = property
        const own = declarations.every((each) =>
          symbol.declarations?.includes(each.parent as ts.ClassDeclaration),
        )
        if (!own || declarations.some((each) => ts.isPrivateIdentifier((each as ts.MethodDeclaration).name)))
          return []
        const name = nameOf(property)
        const internal = declarations.some(isInternal) || this.#inheritsInternal(symbol, property)
        if (declarations.some(ts.isMethodDeclaration)) {
          const signatures = checker.getTypeOfSymbol(property).getCallSignatures()
          return [this.#member(owner, kind, name, signatures, internal)]
        }
        return declarations.flatMap((each): Member[] => {
          if (ts.isGetAccessor(each)) return [{ owner, kind: 'get', name, parameters: [], internal }]
          if (!ts.isSetAccessor(each)) return []
          const parameters = [this.#type(checker.getTypeOfSymbol(property))]
          return [{ owner, kind: 'set', name, parameters, internal }]
        })
      })
    const makers = checker.getTypeOfSymbol(symbol)
    const constructors = makers.getConstructSignatures()
    const internal = constructors.some(({ declaration }) => declaration && isInternal(declaration))
    const abstract = symbol.declarations?.some(
      (each) => ts.getCombinedModifierFlags(each) & ts.ModifierFlags.Abstract,
    )
    return [
      this.#member(owner, 'new', owner, constructors, internal || abstract === true),
      ...own(makers, 'static'),
      ...own(checker.getDeclaredTypeOfSymbol(symbol), 'method'),
    ]
  }

  /** Whether it takes the place of something that is not for users. */
  #inheritsInternal(symbol: ts.Symbol, { escapedName }: ts.Symbol): boolean {
    const type = this.#checker.getDeclaredTypeOfSymbol(symbol) as ts.InterfaceType
    return this.#checker.getBaseTypes(type).some((base) => {
      const inherited = this.#checker.getPropertyOfType(base, escapedName as string)
      return inherited?.declarations?.some(isInternal) ?? false
    })
  }

  /** Of several signatures the one with the most parameters. */
  #member(
    owner: string,
    kind: Member['kind'],
    name: string,
    signatures: readonly ts.Signature[],
    internal: boolean,
  ): Member {
    const [longest] = [...signatures].sort((one, other) => other.parameters.length - one.parameters.length)
    const parameters = (longest?.parameters ?? []).map((each) =>
      this.#type(this.#checker.getTypeOfSymbol(each)),
    )
    return { owner, kind, name, parameters, internal }
  }

  #type(type: ts.Type): number {
    const known = this.#known.get(type)
    if (known !== undefined) return known
    const place = this.#types.push({ kind: 'any' }) - 1
    this.#known.set(type, place)
    this.#types[place] = this.#describe(type)
    return place
  }

  #describe(type: ts.Type): Type {
    const checker = this.#checker
    const { flags } = type
    if (flags & ts.TypeFlags.TypeParameter) {
      const constraint = checker.getBaseConstraintOfType(type)
      return constraint && constraint !== type
        ? (this.#types[this.#type(constraint)] as Type)
        : { kind: 'any' }
    }
    if (type.isUnion()) return { kind: 'union', of: type.types.map((each) => this.#type(each)) }
    if (type.isStringLiteral() || type.isNumberLiteral()) return { kind: 'literal', value: type.value }
    if (flags & ts.TypeFlags.TemplateLiteral)
      return { kind: 'template', texts: (type as ts.TemplateLiteralType).texts }
    if (flags & ts.TypeFlags.StringLike) return { kind: 'string' }
    if (flags & ts.TypeFlags.NumberLike) return { kind: 'number' }
    if (flags & ts.TypeFlags.BooleanLike) return { kind: 'boolean' }
    if (flags & ts.TypeFlags.BigIntLike) return { kind: 'bigint' }
    if (flags & ts.TypeFlags.Null) return { kind: 'null' }
    if (flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Void)) return { kind: 'undefined' }
    if (!(flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection))) return { kind: 'any' }
    return this.#describeObject(type)
  }

  #describeObject(type: ts.Type): Type {
    const checker = this.#checker
    if (checker.isTupleType(type))
      return {
        kind: 'tuple',
        of: checker.getTypeArguments(type as ts.TypeReference).map((each) => this.#type(each)),
      }
    const name = (type.symbol as ts.Symbol | undefined)?.name ?? ''
    const ours = this.#classes.get(type.symbol)
    if (ours !== undefined) return { kind: 'instance', of: ours }
    if (['Array', 'ReadonlyArray', 'Iterable', 'IterableIterator'].includes(name)) {
      const [of] = checker.getTypeArguments(type as ts.TypeReference)
      return { kind: 'list', of: of ? this.#type(of) : this.#type(checker.getAnyType()) }
    }
    if (name === 'Uint8Array') return { kind: 'bytes' }
    if (name === 'AbortSignal') return { kind: 'signal' }
    const [call] = type.getCallSignatures()
    if (call) return { kind: 'function', returns: this.#type(call.getReturnType()) }
    const keys = checker.getPropertiesOfType(type)
    if (!keys.some(isOurs)) return { kind: 'any' }
    return {
      kind: 'object',
      keys: keys.filter(isOurs).map((key) => ({
        name: nameOf(key),
        optional: (key.flags & ts.SymbolFlags.Optional) !== 0,
        type: this.#type(checker.getTypeOfSymbol(key)),
      })),
    }
  }
}

/** Declared in lib/, not by Node or JavaScript. */
const isOurs = ({ declarations = [] }: ts.Symbol): boolean =>
  declarations.some((each) => each.getSourceFile().fileName.startsWith(library))

const isInternal = (declaration: ts.Node): boolean =>
  (ts.getCombinedModifierFlags(declaration as ts.Declaration) &
    (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !==
    0 || ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === 'internal')

/** Symbols are named `__@asyncIterator@123`. */
const nameOf = ({ escapedName }: ts.Symbol): string =>
  String(escapedName)
    .replace(/^__@(\w+)@\d+$/, 'Symbol.$1')
    .replace(/^___/, '__')
