async (text) => {
  const { qrCode } = await import('/web/ui/qr.js');
  return qrCode(text).map((row) => row.map(Number).join(''));
}
