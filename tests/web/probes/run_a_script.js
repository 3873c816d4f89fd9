// Tries what somebody would try who got an element in after all.
() => {
  const script = document.createElement('script');
  try {
    script.textContent = 'window.ran = 1';
    document.body.append(script);
  } catch { /* the policy refuses even the assignment */ }
  return window.ran ?? null;
}
