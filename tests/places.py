"""Places for stores that outlive a process, and its death: an object store in a folder; a server of S3 and of HTTP."""

import datetime as dt
import email.utils
import functools
import hashlib
import http.server
import os
import threading
import urllib.parse
import xml.sax.saxutils
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import dask
import fsspec
from fsspec.implementations.local import LocalFileSystem

from insarflow.stack.faults import FAULT


def files_of(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def die_at(point, work):
    """Run work in a process that ends at once at a fault point; whether it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.environ[FAULT] = str(point)
            with dask.config.set(scheduler="sync"):
                work()
            status = 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 137)
    return code == 0


class BucketFileSystem(LocalFileSystem):
    """``bucket:///folder/key``: objects are files, and there are no folders to make."""

    protocol = "bucket"

    def __init__(self, **options):
        super().__init__(**(options | {"auto_mkdir": True}))

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("bucket://"))


fsspec.register_implementation("bucket", BucketFileSystem, clobber=True)


class Handler(http.server.BaseHTTPRequestHandler):
    """The part of S3 that a store needs, without rights; GET and HEAD are plain HTTP too."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args, folder, **options):
        self.folder = folder
        super().__init__(*args, **options)

    def log_message(self, *args):
        pass

    @property
    def file(self):
        return self.folder / urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).strip("/")

    def query(self):
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        length = headers.pop("length", len(body))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def parse_request(self):
        self.close_connection = self.server.gone
        return not self.server.gone and super().parse_request()

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if "forbidden" in self.path:
            return self.answer(403)
        if "broken" in self.path:
            return self.answer(503)
        if "list-type" in self.query():
            return self.list()
        if not self.file.is_file():
            return self.answer(404)
        body, status, extra = self.file.read_bytes(), 200, {}
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if wanted:
            first, _, last = wanted.partition("-")
            size = len(body)
            start = int(first) if first else max(0, size - int(last))
            stop = size if not (first and last) else min(size, int(last) + 1)
            if start >= size:
                return self.answer(416)
            extra = {"Content_Range": f"bytes {start}-{stop - 1}/{size}"}
            body, status = body[start:stop], 206
        tag = hashlib.md5(self.file.read_bytes()).hexdigest()
        return self.answer(
            status, body, ETag=f'"{tag}"', Accept_Ranges="bytes",
            Last_Modified=email.utils.formatdate(self.file.stat().st_mtime, usegmt=True), **extra,
        )  # fmt: skip

    def list(self):
        query, bucket = self.query(), self.file
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        keys = sorted(p.relative_to(bucket).as_posix() for p in bucket.rglob("*") if p.is_file())
        keys = [key for key in keys if key.startswith(prefix)]
        folders = {
            key[: key.index(delimiter, len(prefix)) + 1]
            for key in keys
            if delimiter and delimiter in key[len(prefix) :]
        }
        shown = [key for key in keys if not any(key.startswith(folder) for folder in folders)]
        text = xml.sax.saxutils.escape
        rows = [
            f"<Contents><Key>{text(key)}</Key><Size>{(bucket / key).stat().st_size}</Size><ETag>x</ETag>"
            f"<LastModified>{_iso(bucket / key)}</LastModified><StorageClass>STANDARD</StorageClass></Contents>"
            for key in shown
        ]
        rows += [f"<CommonPrefixes><Prefix>{text(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders)]
        body = (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket.name}</Name><Prefix>{text(prefix)}</Prefix><KeyCount>{len(rows)}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>"
        )
        self.answer(200, body.encode(), Content_Type="application/xml")

    def body(self):
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def do_PUT(self):
        data = self.body()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_name(f".{self.file.name}.{threading.get_ident()}")
        temporary.write_bytes(data)
        temporary.replace(self.file)
        self.answer(200, ETag=f'"{hashlib.md5(data).hexdigest()}"')

    def do_DELETE(self):
        self.file.unlink(missing_ok=True)
        self.answer(204)

    def do_POST(self):
        keys = [one.text for one in ElementTree.fromstring(self.body()).iter() if one.tag.endswith("Key")]
        for key in keys:
            (self.file / key).unlink(missing_ok=True)
        self.answer(200, b'<?xml version="1.0"?><DeleteResult/>', Content_Type="application/xml")


def _iso(path):
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@contextmanager
def serving(folder: Path):
    """Address of a server of the folder."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, folder=folder))
    server.gone = False
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.gone = True  # for connections that are kept alive
        server.shutdown()
        server.server_close()
