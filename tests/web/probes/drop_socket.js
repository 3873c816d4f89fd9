// Loses the connection; with `session` also what it could be resumed by.
async (session) => {
  const { gateway } = await import('/web/client.js');
  if (session) gateway.session = session;
  gateway.socket.close(4999);
}
