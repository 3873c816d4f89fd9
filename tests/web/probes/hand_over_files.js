// Pastes or drops a file, as the browser would.
(kind) => {
  const data = new DataTransfer();
  data.items.add(new File(['hello'], `${kind}.txt`, { type: 'text/plain' }));
  const how = { bubbles: true, cancelable: true };
  if (kind === 'paste') {
    document.querySelector('#composer').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, ...how }));
    return;
  }
  for (const name of ['dragover', 'drop']) {
    document.querySelector('.conversation').dispatchEvent(new DragEvent(name, { dataTransfer: data, ...how }));
  }
}
