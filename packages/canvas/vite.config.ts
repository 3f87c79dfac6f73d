// Builds the canvas into dist/, which the platform serves on its own origin; `vite dev` proxies the API to a running platform.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const PLATFORM = process.env.MOLECULE_DEV_PLATFORM ?? 'http://127.0.0.1:8080';

/** tokens.css carries a bridge for Tailwind; the canvas writes plain CSS, so browsers need not download it. */
function dropThemeBridge(): Plugin {
  return {
    name: 'drop-theme-bridge',
    enforce: 'pre',
    transform: (code, id) => (id.endsWith('/ui/tokens.css') ? code.replace(/@theme inline \{[\s\S]*?\n\}/, '') : null),
  };
}

/** A .gz beside every text file, which the platform serves instead: compressing at every request costs more than sending. */
function compressFiles(): Plugin {
  return {
    name: 'compress-files',
    writeBundle({ dir = 'dist' }) {
      for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
        if (/\.(js|css|html|svg)$/.test(name))
          writeFileSync(join(dir, `${name}.gz`), gzipSync(readFileSync(join(dir, name)), { level: 9 }));
    },
  };
}

export default defineConfig({
  plugins: [dropThemeBridge(), react(), compressFiles()],
  build: {
    target: 'es2023',
    // light-dark() and color-mix() are used as they are; older targets would rewrite every colour twice.
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    outDir: 'dist',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      '^/(workspaces|canvas/viewport|auth|org|settings|events|registry|admin|health|a2a)(/|$|\\?)': {
        target: PLATFORM,
        ws: true,
      },
      '/ws': { target: PLATFORM, ws: true },
    },
  },
});
