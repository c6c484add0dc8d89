// Makes a site of all pages, with search, in docs/site/dist/: `npm run docs [-- --base /etherloom/]`. What makes it is installed when
// it is first called, in docs/site/ with a lock of its own; node_modules/ at the top has nothing of it. The pages made from
// docstrings and declarations are committed: `npm run docs:write` writes them.
import { inRoot, main, npmPackages, run } from './tools.mjs'

await main(() => {
  const packages = npmPackages('docs/site')
  packages.product.make(packages.install)
  run(process.execPath, [
    inRoot('docs/site/node_modules/vitepress/bin/vitepress.js'),
    'build',
    inRoot('docs/site'),
    ...process.argv.slice(2),
  ])
  console.log('docs/site/dist/index.html is the first page')
})
