// An installed package from CommonJS: by `require` where this Node can give modules to it, else by `import()`, which each can.
const assert = require('node:assert/strict')

const load = async () => {
  if (process.features.require_module) return require('etherloom')
  assert.throws(() => require('etherloom'), { code: /^ERR_(REQUIRE_ESM|PACKAGE_PATH_NOT_EXPORTED)$/ })
  return import('etherloom')
}

void load().then(async ({ Hub }) => {
  const hub = new Hub()
  await hub.close()
  console.log(`commonjs: ${process.features.require_module ? 'require' : 'import()'}`)
})
