import vue from '@vitejs/plugin-vue'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const page = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Four pages, one shared chunk. chrome109 is the last Chromium that runs on Windows 7. */
export default defineConfig({
  plugins: [vue()],
  base: '/',
  build: {
    target: 'chrome109',
    cssTarget: 'chrome109',
    outDir: '../server/static',
    emptyOutDir: true,
    assetsDir: 'assets',
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: {
        index: page('index.html'),
        reader: page('reader/index.html'),
        clinic: page('clinic/index.html'),
        board: page('board/index.html'),
      },
    },
  },
  server: { proxy: { '/v1': { target: 'http://127.0.0.1:8765', ws: true } } },
  test: { environment: 'happy-dom', include: ['**/*.test.ts'], restoreMocks: true },
})
