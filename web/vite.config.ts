/** Builds the Monitor into `dist/web`. Addresses are relative, so it also works behind a path prefix. */
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const BACKEND = 'http://127.0.0.1:8081'

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react()],
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    // Nothing is inlined: the page must run under `default-src 'self'`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      '/fo': BACKEND,
      '/status': BACKEND,
      '/monitor': BACKEND,
      '/stream': { target: BACKEND, ws: true },
    },
  },
})
