// Before any module: the page's Content-Security-Policy lets nothing make code from text, and zod, which reads this when it is loaded, need not try.
globalThis.__zod_globalConfig = { jitless: true }
