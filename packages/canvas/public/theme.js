// Sets the theme before the first paint; a separate file because the content policy allows no inline script.
(() => {
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
