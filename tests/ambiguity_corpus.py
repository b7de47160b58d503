"""Requests that two readers may take for two different things (RFC 9110, RFC 9112), and some that only look like it.

CORPUS maps a name to the bytes of one request; `KEY` in it stands for a key. Whether a case is refused or passes is not
written here: what counts is that everybody behind the gateway reads what passes in one way, and that nothing else passes.
"""

BODY = b'{"model":"fast","messages":[]}'
FIRST = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: gateway.test\r\n"
KEY = b"Authorization: Bearer KEY\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
HIDDEN = b"GET /v1/hidden HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer KEY\r\n\r\n"

CORPUS = {}


def add(section, name, *, first=FIRST, host=HOST, key=KEY, lines=(), end=b"\r\n", body=BODY):
    CORPUS[f"{section}: {name}"] = first + host + key + b"".join(lines) + end + body


def shown(data):
    return data.decode("latin-1").encode("unicode_escape").decode()


# ---- RFC 9112 section 6.1: Transfer-Encoding, alone and beside a length

CODINGS = [
    b"chunked", b"Chunked", b"CHUNKED", b" chunked", b"chunked ", b"\tchunked", b"chunked\t", b"chunked,", b",chunked", b", chunked",
    b"chunked;q=1", b"chunked ;a", b'"chunked"', b"'chunked'", b"chunke", b"chunkedd", b"xchunked", b"chunked x", b"x chunked", b"identity",
    b"identity, chunked", b"chunked, identity", b"gzip, chunked", b"chunked, gzip", b"gzip", b"deflate, chunked", b"chunked, chunked", b"cow",
    b"cow, chunked", b"chunked\x00", b"chunked\x0b", b"chunked\x0c", b"\x0bchunked", b"chunked\xa0", b"\xa0chunked", b"chunk\xe9d", b"",
    b"chunked\r\n x", b"\r\n chunked", b"trailers, chunked", b"null", b"c\xc4\xb7unked",
]
for coding in CODINGS:
    line = b"Transfer-Encoding: " + coding + b"\r\n"
    add("coding", shown(coding), lines=[line], body=CHUNKS)
    add("coding and length", shown(coding), lines=[line, LENGTH], body=CHUNKS)

NAMES = [
    b"transfer-encoding", b"TRANSFER-ENCODING", b"Transfer_Encoding", b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding",
    b"\tTransfer-Encoding", b"Transfer-Encoding\x00", b"\x00Transfer-Encoding", b"Transfer\x00-Encoding", b"Transfer-Encoding\x0b", b"Transfer--Encoding",
    b"Transfer Encoding", b"TransferEncoding", b"X\r\nTransfer-Encoding", b"X: y\nTransfer-Encoding", b"X: y\rTransfer-Encoding", b"Transfer-Encoding\xa0",
    b'"Transfer-Encoding"', b"Transfer-Encoding:", b"Transfer-\xe9ncoding",
]
for name in NAMES:
    add("name of the coding", shown(name), lines=[name + b": chunked\r\n", LENGTH], body=CHUNKS)
    add("name of the coding, no length", shown(name), lines=[name + b": chunked\r\n"], body=CHUNKS)

# ---- RFC 9112 section 6.2, RFC 9110 section 8.6: Content-Length

N = b"%d" % len(BODY)
LENGTHS = [
    N, b"0" + N, b"00000000" + N, N + b" ", N + b"\t", b"\t" + N, b"+" + N, b"-" + N, b"-0", b"0x1e", b"1e1", N + b".0", N + b"," + N, N + b", " + N,
    N + b",0", b"0," + N, N + b";" + N, N + b" " + N, b"3 0", b"3_0", b"3\x000", N + b"\x00", N + b"\x0b", b"\xb2" + N, b"\xd9\xa3\xd9\xa0", b"\xef\xbc\x93\xef\xbc\x90",
    b"", b" ", b"abc", N + b"abc", b"0", b"5", b"18446744073709551646", b"9223372036854775838", b"4294967326", b"9" * 40, b"\"" + N + b"\"", b"0" * 300 + N, N + b"#",
]
for length in LENGTHS:
    add("length", shown(length)[:60], lines=[b"Content-Length: " + length + b"\r\n"])
    add("length after a right one", shown(length)[:60], lines=[LENGTH, b"Content-Length: " + length + b"\r\n"])
for name in [b"content-length", b"Content_Length", b"Content-Length ", b" Content-Length", b"Content-Length\x00", b"Content\x00-Length", b"Content-Length\x0b", b"ContentLength",
             b"X: y\nContent-Length", b"X: y\rContent-Length", b"Content-Length\xa0", b"Content-Length:"]:
    add("name of the length", shown(name), lines=[name + b": 5\r\n", LENGTH])
    add("name of the length, alone", shown(name), lines=[name + b": %d\r\n" % len(BODY)])

# ---- RFC 9112 section 2.2: ends of lines

for name, end in {"LF": b"\n", "CR": b"\r", "LF CR": b"\n\r", "CR CR LF": b"\r\r\n", "CR LF LF": b"\r\n\n", "VT": b"\x0b", "NEL": b"\x85", "CR space LF": b"\r \n"}.items():
    add("end of the request line", name, first=FIRST[:-2] + end, lines=[LENGTH])
    add("end of a header", name, lines=[b"X-A: b" + end, LENGTH])
    add("end of the length", name, lines=[LENGTH[:-2] + end])
    add("end of the head", name, lines=[LENGTH], end=end)
for name, lines in {"folded": [b"X-A: b\r\n c\r\n"], "folded with a tab": [b"X-A: b\r\n\tc\r\n"], "folded length": [b"Content-Length:\r\n 30\r\n"], "folded at the start": [],
                    "a line of white space": [b" \r\n"], "a line of white space in between": [b"X-A: b\r\n \r\nX-B: c\r\n"]}.items():
    add("folding", name, first=FIRST + (b" X: y\r\n" if name == "folded at the start" else b""), lines=[*lines, LENGTH])
for count in (1, 2, 5):
    add("empty lines before the request", str(count), first=b"\r\n" * count + FIRST, lines=[LENGTH])
    add("bare LFs before the request", str(count), first=b"\n" * count + FIRST, lines=[LENGTH])

# ---- RFC 9112 section 7.1: chunks

SIZE = b"%x" % len(BODY)
SIZES = [SIZE, SIZE.upper(), b"0" + SIZE, b"0" * 20 + SIZE, b" " + SIZE, SIZE + b" ", b"\t" + SIZE, SIZE + b"\t", b"+" + SIZE, b"-" + SIZE, b"0x" + SIZE, b"", b" ", b"zz", SIZE + b"zz", SIZE + b"\x00",
         SIZE + b";", SIZE + b";a", SIZE + b";a=b", SIZE + b';a="b"', SIZE + b';a="\r\n"', SIZE + b";a\n", SIZE + b";a\r", SIZE + b";\x00", SIZE + b" ;a", SIZE + b"," + SIZE, SIZE + b":a", SIZE + b"_0",
         b"1000000000000001e", b"f" * 17, b"f" * 40, b"5", b"fffffffe", b"\xef\xbc\x91e"]
for size in SIZES:
    add("chunk size", shown(size), lines=[CHUNKED], body=size + b"\r\n" + BODY + b"\r\n0\r\n\r\n")
for name, end in {"LF": b"\n", "CR": b"\r", "none": b"", "LF CR": b"\n\r", "CR CR LF": b"\r\r\n", "two bytes": b"xx", "CR LF CR LF": b"\r\n\r\n"}.items():
    add("end of a chunk size", name, lines=[CHUNKED], body=SIZE + end + BODY + b"\r\n0\r\n\r\n")
    add("end of a chunk", name, lines=[CHUNKED], body=SIZE + b"\r\n" + BODY + end + b"0\r\n\r\n")
    add("end of the last chunk", name, lines=[CHUNKED], body=SIZE + b"\r\n" + BODY + b"\r\n0" + end + b"\r\n")
for zero in (b"00", b"0000", b"0;a", b"0 ", b"0x0", b"-0", b"+0", b""):
    add("last chunk", shown(zero), lines=[CHUNKED], body=SIZE + b"\r\n" + BODY + b"\r\n" + zero + b"\r\n\r\n")
for trailer in (b"X: y\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: other\r\n", b"Authorization: Bearer other\r\n", b"X : y\r\n", b" X: y\r\n", b"X: y\n", b"X\r\n", b"X: \x00\r\n",
                b"GET / HTTP/1.1\r\n", b"X: y\r\n z\r\n"):
    add("trailer", shown(trailer), lines=[CHUNKED], body=CHUNKS[:-2] + trailer + b"\r\n")

# ---- RFC 9112 section 3: the request line; section 3.2: target and Host

for name, first in {
    "a tab": b"POST\t/v1/chat/completions HTTP/1.1\r\n", "two spaces": b"POST  /v1/chat/completions HTTP/1.1\r\n", "a space before": b" POST /v1/chat/completions HTTP/1.1\r\n",
    "a space behind": b"POST /v1/chat/completions HTTP/1.1 \r\n", "a space in the target": b"POST /v1/chat /completions HTTP/1.1\r\n", "a whole line in the target": b"POST /v1/x HTTP/1.1 /v1/chat/completions HTTP/1.1\r\n",
    "no version": b"POST /v1/chat/completions\r\n", "version 1.0": b"POST /v1/chat/completions HTTP/1.0\r\n", "version 1.2": b"POST /v1/chat/completions HTTP/1.2\r\n", "version 2.0": b"POST /v1/chat/completions HTTP/2.0\r\n",
    "version 01.1": b"POST /v1/chat/completions HTTP/01.1\r\n", "version 1.1x": b"POST /v1/chat/completions HTTP/1.1x\r\n", "version in small letters": b"POST /v1/chat/completions http/1.1\r\n", "version 1,1": b"POST /v1/chat/completions HTTP/1,1\r\n",
    "method in small letters": b"post /v1/chat/completions HTTP/1.1\r\n", "method with NUL": b"PO\x00ST /v1/chat/completions HTTP/1.1\r\n", "unknown method": b"FROB /v1/chat/completions HTTP/1.1\r\n", "GET with a body": b"GET /v1/chat/completions HTTP/1.1\r\n",
    "GET of models with a body": b"GET /v1/models HTTP/1.1\r\n", "HEAD with a body": b"HEAD /v1/models HTTP/1.1\r\n", "TRACE": b"TRACE /v1/chat/completions HTTP/1.1\r\n", "CONNECT": b"CONNECT gateway.test:443 HTTP/1.1\r\n",
    "absolute target": b"POST http://gateway.test/v1/chat/completions HTTP/1.1\r\n", "absolute target, other host": b"POST http://other.test/v1/chat/completions HTTP/1.1\r\n", "absolute target, userinfo": b"POST http://a@gateway.test/v1/chat/completions HTTP/1.1\r\n",
    "target of two slashes": b"POST //v1/chat/completions HTTP/1.1\r\n", "target with dots": b"POST /v1/x/../chat/completions HTTP/1.1\r\n", "target with encoded dots": b"POST /v1/x/%2e%2e/chat/completions HTTP/1.1\r\n",
    "target with encoded line end": b"POST /v1/chat/completions%0d%0aX:%20y HTTP/1.1\r\n", "target with encoded NUL": b"POST /v1/chat/completions%00 HTTP/1.1\r\n", "target with a fragment": b"POST /v1/chat/completions#x HTTP/1.1\r\n",
    "target with a backslash": b"POST /v1\\chat\\completions HTTP/1.1\r\n", "target with high bytes": b"POST /v1/chat/completions\xff HTTP/1.1\r\n", "target with NUL": b"POST /v1/chat/completions\x00 HTTP/1.1\r\n",
    "target with a query": b"POST /v1/chat/completions?a=%0d%0a HTTP/1.1\r\n", "target with half an escape": b"POST /v1/chat/completions?a=%4 HTTP/1.1\r\n", "target without a slash": b"POST v1/chat/completions HTTP/1.1\r\n", "star": b"POST * HTTP/1.1\r\n",
    "empty target": b"POST  HTTP/1.1\r\n",
}.items():
    add("request line", name, first=first, lines=[LENGTH])
for name, host in {"none": b"", "two": HOST + b"Host: other\r\n", "two that agree": HOST + HOST, "empty": b"Host:\r\n", "with a path": b"Host: gateway.test/x\r\n", "with userinfo": b"Host: a@gateway.test\r\n", "two in one": b"Host: gateway.test, other\r\n",
                   "with a space": b"Host: gateway .test\r\n", "with NUL": b"Host: gateway\x00.test\r\n", "space before the colon": b"Host : gateway.test\r\n", "folded": b"Host: gateway\r\n .test\r\n", "bad port": b"Host: gateway.test:99999999\r\n"}.items():
    add("host", name, host=host, lines=[LENGTH])

# ---- RFC 9110 section 7.6.1: what a Connection header names; sections 10.1.1 and 7.8

for named in (b"content-length", b"transfer-encoding", b"authorization", b"host", b"content-type", b"close, content-length", b"keep-alive, x-a", b"upgrade", b"te", b"x" * 200, b"\x00", b"close\x00"):
    add("connection", shown(named)[:40], lines=[b"Connection: " + named + b"\r\n", LENGTH])
for name, lines in {
    "te trailers": [b"TE: trailers\r\n"], "te chunked": [b"TE: chunked\r\n"], "h2c": [b"Connection: Upgrade, HTTP2-Settings\r\n", b"Upgrade: h2c\r\n", b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"],
    "upgrade to websocket": [b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n"], "proxy-connection": [b"Proxy-Connection: keep-alive\r\n"], "keep-alive": [b"Keep-Alive: timeout=5\r\n"],
    "expect": [b"Expect: 100-continue\r\n"], "expect in capitals": [b"Expect: 100-CONTINUE\r\n"], "expect something else": [b"Expect: 200-ok\r\n"], "expect twice": [b"Expect: 100-continue\r\n"] * 2,
    "method override": [b"X-HTTP-Method-Override: DELETE\r\n"], "original url": [b"X-Original-URL: /v1/hidden\r\n", b"X-Rewrite-URL: /v1/hidden\r\n"], "trailer": [b"Trailer: Content-Length\r\n"],
    "content-encoding": [b"Content-Encoding: gzip\r\n"], "content-encoding twice": [b"Content-Encoding: identity\r\n"] * 2, "range": [b"Range: bytes=0-5\r\n"], "max-forwards": [b"Max-Forwards: 0\r\n"],
}.items():
    add("header", name, lines=[*lines, LENGTH])

# ---- names and values of any header (RFC 9110 sections 5.1 and 5.5)

for byte in [*range(0x00, 0x09), 0x0b, 0x0c, *range(0x0e, 0x20), 0x7f, 0x80, 0xa0, 0xff]:
    add("byte in a value", f"{byte:02x}", lines=[b"X-A: b" + bytes([byte]) + b"c\r\n", LENGTH])
for byte in [0x00, 0x01, 0x09, 0x0b, 0x20, 0x22, 0x28, 0x2c, 0x2f, 0x3b, 0x3d, 0x40, 0x5b, 0x5c, 0x7b, 0x7f, 0x80, 0xff]:
    add("byte in a name", f"{byte:02x}", lines=[b"X" + bytes([byte]) + b"A: b\r\n", LENGTH])
for name, line in {"no name": b": b\r\n", "no colon": b"X-A\r\n", "nothing but a colon": b":\r\n", "two colons": b"X-A:: b\r\n", "very long": b"X-A: " + b"b" * 9000 + b"\r\n", "a request": HIDDEN[:HIDDEN.index(b"\r\n") + 2]}.items():
    add("line", name, lines=[line, LENGTH])

# ---- more than one request, or less

add("more", "a request behind the length", lines=[LENGTH], body=BODY + HIDDEN)
add("more", "a request within the length", lines=[b"Content-Length: %d\r\n" % len(BODY + HIDDEN)], body=BODY + HIDDEN)
add("more", "a request behind the last chunk", lines=[CHUNKED], body=CHUNKS + HIDDEN)
add("more", "a request behind no length", body=HIDDEN)
add("more", "a request in a chunk", lines=[CHUNKED], body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY) + 1, BODY + b" "))

# ---- the body as JSON (RFC 8259): whose `model` is it?

JSON = {
    "model twice": b'{"model":"fast","model":"other","messages":[]}', "model twice, one escaped": b'{"model":"fast","mod\\u0065l":"other","messages":[]}', "only an escaped model": b'{"mod\\u0065l":"fast","messages":[]}',
    "model in capitals too": b'{"model":"fast","Model":"other","messages":[]}', "model in a nested object": b'{"messages":[{"model":"other"}],"model":"fast"}', "model within a string": b'{"messages":"\\",\\"model\\":\\"other","model":"fast"}',
    "a mark before": b'\xef\xbb\xbf{"model":"fast","messages":[]}', "UTF-16": '{"model":"fast","messages":[]}'.encode("utf-16"), "two documents": b'{"model":"fast","messages":[]}{"model":"other"}', "a NUL behind": b'{"model":"fast","messages":[]}\x00',
    "a comma too many": b'{"model":"fast","messages":[],}', "a comment": b'{/*"model":"other",*/"model":"fast","messages":[]}', "single quotes": b"{'model':'other',\"model\":\"fast\",\"messages\":[]}", "a NUL in the model": b'{"model":"fast\\u0000other","messages":[]}',
    "a raw line end in a string": b'{"model":"fast","a":"b\nc","messages":[]}', "half a surrogate in the model": b'{"model":"fast\\ud800","messages":[]}', "bytes that are no UTF-8": b'{"model":"fast","a":"\xff","messages":[]}',
    "overlong UTF-8": b'{"model":"fast","a":"\xc0\xa2,\xc0\xa2model\xc0\xa2:","messages":[]}', "model is a number": b'{"model":1,"messages":[]}', "model is an array": b'{"model":["fast","other"],"messages":[]}', "array of calls": b'[{"model":"fast","messages":[]},{"model":"other"}]',
    "key with a NUL": b'{"model\\u0000":"other","model":"fast","messages":[]}', "infinity": b'{"model":"fast","a":Infinity,"messages":[]}', "deep": b'{"model":"fast","a":' + b"[" * 3000 + b"]" * 3000 + b"}", "stream twice": b'{"model":"fast","stream":false,"stream":true,"messages":[]}',
}
for name, body in JSON.items():
    add("json", name, lines=[b"Content-Length: %d\r\n" % len(body)], body=body)
