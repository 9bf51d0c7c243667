"""The articles that the service's tests ask: CRLF and a BOM, a lone CR, a character beyond the BMP, and an attack."""

NILE = (
    "\ufeffThe Nile\r\n\r\nThe river Nile flows through Khartoum.\r\n"
    "The sign \U00013000 is a man.\r\rShare this page\r\n"
)
EIGER = "The Eiger\n\nThe mountain Eiger was first climbed by Charles Barrington.\n\nBy Grace Tell\n"
ATTACK = (
    "<script>alert(1)</script>\n\nThe evil <b>pudding</b> & sauce was cooked by <img src=x onerror=alert(2)> Mallory.\n"
)
TEXTS = {"rivers/nile.txt": NILE, "alps/eiger.txt": EIGER, "alps/copy.txt": EIGER, "<i>.txt": ATTACK}
