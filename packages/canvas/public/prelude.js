// What must be so before the modules run and before the first paint. A file of its own: the content policy allows no inline script.
(() => {
  // Zod would probe for `new Function`, which the content policy forbids and browsers report.
  globalThis.__zod_globalConfig = { jitless: true };
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem('molecule.theme');
    if (theme === 'light' || theme === 'system') root.dataset.theme = theme;
    const density = localStorage.getItem('molecule.density');
    if (density === 'compact') root.dataset.density = density;
    const motion = localStorage.getItem('molecule.motion');
    if (motion === 'reduce') root.dataset.motion = motion;
  } catch {
    // Storage may be refused; the dark default stands.
  }
})();
