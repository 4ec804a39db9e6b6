// Before the first paint, so that nothing flashes.
try {
  const theme = localStorage.getItem("tollbook-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* as the system has it */ }
