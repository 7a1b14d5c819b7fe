#!/usr/bin/env python3
"""Who may come in and what they may do: a registry and a gateway under TLS, with passwords and permissions, on a real Kafka.

Certificates and hashes are made here by openssl.  Wants AVROGATE and AVROGATE_TEST_KAFKA; skipped (77) without them.
Talks to 127.0.0.1 only.
"""
import base64, http.client, http.server, json, os, shutil, signal, ssl, subprocess, sys, tempfile, threading, time, uuid

from world import AVROGATE, KAFKA, check, check_that, free_port, make_topic, need, until
import world

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

home = tempfile.mkdtemp(prefix="avrogate-security-")
run = uuid.uuid4().hex[:8]
TOPIC, SECRET_TOPIC = "sec-%s-orders" % run, "sec-%s-salaries" % run
SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
OTHER = {"type": "record", "name": "S", "fields": [{"name": "b", "type": "int"}]}
JSON = "application/json"


def path(name):
    return os.path.join(home, name)


def write(name, text):
    """As the documentation says to: whole, by a rename."""
    with open(path(name + ".new"), "w") as f:
        f.write(text)
    os.rename(path(name + ".new"), path(name))


def openssl(*argv, text=None):
    return subprocess.run(["openssl", *argv], input=text, check=True, capture_output=True, text=True).stdout.strip()


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=" + name,
            "-keyout", path(name + ".key"), "-out", path(name + ".pem"))


def certificate(name, subject, by="ca"):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout", path(name + ".key"),
            "-out", path(name + ".csr"))
    write("ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", path(name + ".csr"), "-CA", path(by + ".pem"), "-CAkey", path(by + ".key"), "-CAcreateserial", "-days", "1",
            "-extfile", path("ext"), "-out", path(name + ".pem"))


def people(**passwords):
    write("passwords", "".join("%s:%s\n" % (n, openssl("passwd", "-6", "-stdin", text=p)) for n, p in passwords.items()))


def context(cert=None):
    c = ssl.create_default_context(cafile=path("ca.pem"))
    if cert:
        c.load_cert_chain(path(cert + ".pem"), path(cert + ".key"))
    return c


def ask(method, port, where, body=None, user=None, cert=None, headers=()):
    """(status, JSON or text, headers); (None, why, {}) when TLS was refused."""
    fields = dict(headers)
    if user:
        fields["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
        fields.setdefault("Content-Type", JSON)
    c = http.client.HTTPSConnection("127.0.0.1", port, context=context(cert), timeout=40)
    try:
        c.request(method, where, body, fields)
        r = c.getresponse()
        text = r.read()
        try:
            return r.status, json.loads(text), r.headers
        except ValueError:
            return r.status, text.decode(), r.headers
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected) as why:
        return None, str(why), {}
    finally:
        c.close()


def status(*argv, **more):
    return ask(*argv, **more)[0]


class Program:
    def __init__(self, name, *argv, env=None):
        self.name, self.log = name, path(name + ".log")
        self.process = subprocess.Popen([AVROGATE, name, *argv], stderr=open(self.log, "a"), env={**os.environ, **(env or {})})

    def lines(self, **has):
        out = []
        for line in open(self.log):
            try:
                e = json.loads(line)
            except ValueError:
                continue
            if all(e.get(k) == v for k, v in has.items()):
                out.append(e)
        return out

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def keys(*names):
    """The public halves of RSA keys, as an issuer publishes them."""
    out = []
    for name in names:
        if not os.path.exists(path(name + ".rsa")):
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path(name + ".rsa"))
        n = openssl("rsa", "-in", path(name + ".rsa"), "-noout", "-modulus").split("=")[1]
        out.append({"kty": "RSA", "kid": name, "use": "sig", "alg": "RS256", "e": "AQAB", "n": part(bytes.fromhex(n))})
    return json.dumps({"keys": out})


def token(who, key="k1", alg="RS256", **claims):
    claims = {"iss": "https://issuer", "aud": "avrogate", "exp": int(time.time()) + 600, "sub": who, **claims}
    text = part(json.dumps({"alg": alg, "kid": key}).encode()) + "." + part(json.dumps(claims).encode())
    sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", path(key + ".rsa")], input=text.encode(), check=True, capture_output=True).stdout
    return text + "." + (part(sig) if alg != "none" else "")


def refuses_to_start():
    def start(*flags):
        p = subprocess.run([AVROGATE, "registry", "--bootstrap", KAFKA, "--allow-unsafe", "--topic", "_sec" + run, "--listen", "127.0.0.1:0",
                            *flags], capture_output=True, text=True, timeout=60)
        return p.returncode, p.stderr
    rc, why = start("--tls-cert", path("server.pem"))
    check_that("a certificate without its key is refused", rc == 2 and "tls.key" in why, why)
    rc, why = start("--tls-client-crl", path("nowhere"))
    check_that("revocation lists of nobody are refused", rc == 2 and "tls.client_ca" in why, why)
    rc, why = start("--tls-cert", path("server.pem"), "--tls-key", path("alice.key"))
    check_that("another's key is refused, by file", rc == 2 and path("alice.key") in why, why)
    rc, why = start("--auth-passwords", path("nowhere"))
    check_that("a file of passwords that is not there is refused, by name", rc == 2 and path("nowhere") in why, why)
    write("bad", "user:alice reed subject:a\n")
    rc, why = start("--auth-acl", path("bad"))
    check_that("permissions that are none are refused, by line", rc == 2 and "line 1" in why and "reed" in why, why)
    rc, why = start("--auth-jwks", path("jwks"))
    check_that("keys without an issuer and an audience are refused", rc == 2 and "jwt_audience" in why, why)
    rc, why = start("--auth-jwks", path("jwks"), "--auth-jwt-issuer", "i", "--auth-jwt-audience", "a", "--auth-jwt-algorithms", "RS256,HS256")
    check_that("and a signature that everybody who verifies can make", rc == 2 and "HS256" in why, why)
    rc, why = start("--auth-jwks", "http://issuer.example/jwks", "--auth-jwt-issuer", "i", "--auth-jwt-audience", "a")
    check_that("and keys in the clear", rc == 2 and "https" in why, why)
    write("bad", "alice:hunter2\n")
    rc, why = start("--auth-passwords", path("bad"))
    check_that("a password that is no hash is refused, and not quoted", rc == 2 and "line 1" in why and "hunter2" not in why, why)


ACL = """# who              may                    where
user:root              all                    *
user:alice             read,write             subject:{topic}*
user:alice             write                  topic:{topic}
user:reader            read                   subject:{topic}*
user:reader            read                   topic:{topic}
token:job-7            read,write             subject:{topic}*
cert:CN=etl,O=Shop     read,write,configure   subject:etl-*
""".format(topic=TOPIC)
ROOT, ALICE, READER = "root:toor", "alice:s3cret:with:colons", "reader:r\u00e4der"


def the_registry(port, registry):
    value, hidden = TOPIC + "-value", SECRET_TOPIC + "-value"
    versions = "/subjects/%s/versions"

    def register(subject, schema, **who):
        return ask("POST", port, versions % subject, {"schema": json.dumps(schema)}, **who)

    check("who says nothing is asked who they are", status("GET", port, "/subjects"), 401)
    check("and told how to say it", ask("GET", port, "/subjects")[2].get_all("WWW-Authenticate"),
          ['Basic realm="avrogate", charset="UTF-8"', 'Bearer realm="avrogate"'])
    check("a wrong password is none", status("GET", port, "/subjects", user="alice:wrong"), 401)
    check("nor is that of somebody who is not there", status("GET", port, "/subjects", user="mallory:s3cret"), 401)
    check("nor what is no base64", status("GET", port, "/subjects", headers={"Authorization": "Basic !!!"}), 401)
    check("nor another scheme", status("GET", port, "/subjects", headers={"Authorization": "Digest abc"}), 401)
    check("health needs neither", status("GET", port, "/readyz"), 200)

    check("root registers where nobody else may look", register(hidden, OTHER, user=ROOT)[0], 200)
    s, answer, _ = register(value, SCHEMA, user=ALICE)
    check("alice registers where she may, by a password with colons", s, 200)
    mine = answer["id"]
    check("and not elsewhere", register(hidden, SCHEMA, user=ALICE)[:2],
          (403, {"error_code": 40301, "message": "user:alice may not write subject " + hidden}))
    check("reader reads, by a password of UTF-8", status("GET", port, "/subjects/%s/versions/1" % value, user=READER), 200)
    check("and does not write", register(value, SCHEMA, user=READER)[0], 403)
    check("nobody but root deletes", status("DELETE", port, "/subjects/" + value, user=ALICE), 403)
    check("nor sets what holds for all", status("PUT", port, "/config", {"compatibility": "NONE"}, user=ALICE), 403)
    check("nor in the default context by its other name", status("PUT", port, "/config/:.:", {"compatibility": "NONE"}, user=ALICE), 403)
    check("a subject has one name for permissions, however it is spelt",
          [status("GET", port, p, user=ALICE) for p in ("/subjects/:.:%s/versions" % value, "/contexts/:.:/subjects/%s/versions" % value,
                                                        "/subjects/:.:%s/versions" % hidden, "/contexts/./subjects/%s/versions" % hidden)],
          [200, 200, 403, 403])

    theirs = ask("GET", port, "/subjects/%s/versions/1" % hidden, user=ROOT)[1]["id"]
    check("lists show what may be read", ask("GET", port, "/subjects?subjectPrefix=sec-" + run, user=ALICE)[1], [value])
    check("and all of it to root", sorted(ask("GET", port, "/subjects?subjectPrefix=sec-" + run, user=ROOT)[1]), sorted([value, hidden]))
    check("schemas too", [s["subject"] for s in ask("GET", port, "/schemas", user=ALICE)[1]], [value])
    check("an id is shown where it stands somewhere readable",
          [status("GET", port, "/schemas/ids/%d%s" % (i, tail), user=ALICE) for i in (mine, theirs) for tail in ("", "/schema", "/subjects", "/versions")],
          [200] * 4 + [404] * 4)
    guid = ask("GET", port, "/subjects/%s/versions/1" % hidden, user=ROOT, headers={"Confluent-Accept-Unknown-Properties": "true"})[1]["guid"]
    check("and a guid", [status("GET", port, "/schemas/guids/" + guid, user=u) for u in (ROOT, ALICE)], [200, 404])
    register(SECRET_TOPIC + "-copy", SCHEMA, user=ROOT)
    check("of the places of one id those that may be seen", ask("GET", port, "/schemas/ids/%d/subjects" % mine, user=ALICE)[1], [value])

    text = {"schema": json.dumps({"type": "record", "name": "T", "fields": [{"name": "s", "type": "S"}]}),
            "references": [{"name": "S", "subject": hidden, "version": 1}]}
    check("what refers to a subject unseen is refused", [status("POST", port, p, text, user=ALICE) for p in (
        versions % value, "/compatibility/subjects/%s/versions" % value)], [403, 403])
    check("an alias needs leave for what it names", status("PUT", port, "/config/etl-a", {"alias": hidden}, cert="etl"), 403)
    check("and takes it where it is given", status("PUT", port, "/config/etl-a", {"alias": "etl-b"}, cert="etl"), 200)

    check("a certificate is a name of its own", register("etl-b", SCHEMA, cert="etl")[0], 200)
    check("and no other", status("GET", port, versions % value, cert="etl"), 403)
    check("one of another authority is none", status("GET", port, "/subjects", cert="forged"), None)
    check("a password counts before a certificate", status("GET", port, versions % value, cert="etl", user=READER), 200)

    client = SchemaRegistryClient({"url": "https://127.0.0.1:%d" % port, "ssl.ca.location": path("ca.pem"), "basic.auth.user.info": ALICE})
    check("Confluent's client registers over TLS with a password", client.register_schema(value, Schema(json.dumps(SCHEMA), "AVRO")), mine)
    try:
        client.register_schema(hidden, Schema(json.dumps(SCHEMA), "AVRO"))
        check("and is told 403 elsewhere", "no error", 40301)
    except SchemaRegistryError as e:
        check("and is told 403 elsewhere", (e.http_status_code, e.error_code), (403, 40301))

    changed = registry.lines(event="changed", subject=value)
    check("each change says who", [e["who"] for e in changed], ["user:alice"])
    refused = registry.lines(event="refused", who="user:alice", name=hidden, what="write")
    check_that("each refusal too, with what and from where", refused and refused[0]["client"].startswith("127.0.0.1:") and refused[0]["path"], refused)
    check_that("and who could not be believed", registry.lines(event="refused", why="wrong name or password", who="alice"))
    text = open(registry.log).read()
    check_that("no password and no hash stands in the log", not any(w in text for w in ("s3cret", "toor", "$6$", base64.b64encode(ALICE.encode()).decode())))


def tokens(port, registry):
    def bear(t, where="/subjects/%s-value/versions" % TOPIC):
        return status("GET", port, where, headers={"Authorization": "Bearer " + t})
    good = token("job-7")
    check("a token is a name of its own", [bear(good), bear(good), bear(good, "/subjects/%s-value/versions" % SECRET_TOPIC)], [200, 200, 403])
    check("one of another key is none", bear(token("job-7", key="k2")), 401)
    head, claims, sig = good.split(".")
    check("nor one changed after it was signed", bear(".".join([head, part(json.dumps({"sub": "root"}).encode()), sig])), 401)
    check("nor one of alg none, HS256, another audience, another issuer, too late, too early, no end",
          [bear(t) for t in (token("job-7", alg="none"), token("job-7", alg="HS256"), token("job-7", aud="them"), token("job-7", iss="them"),
                             token("job-7", exp=int(time.time()) - 60), token("job-7", nbf=int(time.time()) + 90), token("job-7", exp=None))], [401] * 7)
    client = SchemaRegistryClient({"url": "https://127.0.0.1:%d" % port, "ssl.ca.location": path("ca.pem"),
                                   "bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": good,
                                   "bearer.auth.logical.cluster": "lsrc-1", "bearer.auth.identity.pool.id": "pool-1"})
    check("Confluent's client reads with a token", client.get_latest_version(TOPIC + "-value").version, 1)
    write("jwks", keys("k2"))
    until("a new key is taken by itself", lambda: bear(token("job-7", key="k2")) == 200)
    check("and what the old one signed is refused at once", bear(good), 401)
    check_that("no token stands in the log", sig[:40] not in open(registry.log).read())


def many_at_once(port):
    """A hundred clients with the right password: hashed a few times, and nobody waits for them to be served from memory."""
    began = time.monotonic()
    got = [status("GET", port, "/subjects/%s-value/versions" % TOPIC, user=ALICE) for _ in range(100)]
    check("a password once good is good for the next hundred", set(got), {200})
    print("# 100 requests with a password, each on a new TLS connection: %.2f s" % (time.monotonic() - began))


def reload(port, registry):
    people(root="toor", alice="changed", reader="r\u00e4der")
    until("a changed password is taken by itself", lambda: status("GET", port, "/subjects", user="alice:changed") == 200)
    check("and the old one is forgotten at once", status("GET", port, "/subjects", user=ALICE), 401)

    write("acl", ACL.replace("user:reader            read ", "user:reader            write"))
    registry.process.send_signal(signal.SIGHUP)
    until("permissions are read again on SIGHUP", lambda: status("GET", port, "/subjects/%s-value/versions" % TOPIC, user=READER) == 403)

    write("acl", "nonsense\n")
    registry.process.send_signal(signal.SIGHUP)
    until("what is nonsense is said", lambda: any(path("acl") in json.dumps(e) for e in registry.lines(level="error")))
    check("and the last good permissions stay", status("GET", port, "/subjects/%s-value/versions" % TOPIC, user="alice:changed"), 200)
    write("acl", ACL)

    def serial():
        return ssl.get_server_certificate(("127.0.0.1", port), ca_certs=path("ca.pem"))
    before = serial()
    c = http.client.HTTPSConnection("127.0.0.1", port, context=context(), timeout=20)
    c.request("GET", "/readyz")
    c.getresponse().read()
    certificate("server", "/CN=localhost")
    until("a new certificate is shown by itself", lambda: serial() != before)
    c.request("GET", "/readyz")
    check("to those who come, while who was there goes on", c.getresponse().status, 200)
    c.close()


def keys_from_a_url():
    """An issuer that is away at the start, comes, and answers nonsense."""
    class Issuer(http.server.BaseHTTPRequestHandler):
        says = keys("k1")

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(Issuer.says.encode())

        def log_message(self, *_):
            pass
    issuer, port = free_port(), free_port()
    p = Program("registry", "--bootstrap", KAFKA, "--allow-unsafe", "--topic", "_sec" + run, "--listen", "127.0.0.1:%d" % port, "--auth-reload", "200ms",
                "--auth-jwks", "http://127.0.0.1:%d/keys" % issuer, "--auth-jwt-issuer", "https://issuer", "--auth-jwt-audience", "avrogate")

    def bear(where="/subjects"):
        return world.call("GET", port, where, headers={"Authorization": "Bearer " + token("job-7")}).status
    try:
        until("the registry starts without its issuer", lambda: world.call("GET", port, "/readyz").status == 200)
        check("and takes no token yet", bear(), 401)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", issuer), Issuer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        until("keys are taken when it comes", lambda: bear() == 200)
        Issuer.says = "<html>"
        p.process.send_signal(signal.SIGHUP)
        until("nonsense is said", lambda: any("not read again" in e["event"] for e in p.lines(level="error")))
        check("and the keys there were stay", bear(), 200)
        server.shutdown()
    finally:
        check("it ends when told", p.end(), 0)


def two_registries():
    """Who is asked passes the client's password on, over this machine or TLS, and the holder judges it itself."""
    ports = [free_port(), free_port()]
    both = [Program("registry", "--bootstrap", KAFKA, "--allow-unsafe", "--topic", "_sec2" + run, "--listen", "127.0.0.1:%d" % p,
                    "--advertise", "http://127.0.0.1:%d" % p, "--auth-passwords", path("passwords"), "--auth-acl", path("acl")) for p in ports]

    def register(port, n, who):
        fields = {"Authorization": "Basic " + base64.b64encode(who.encode()).decode(), "Content-Type": JSON}
        schema = json.dumps({"type": "record", "name": "R%d" % n, "fields": []})
        return world.call("POST", port, "/subjects/%s-two%d/versions" % (TOPIC, n), json.dumps({"schema": schema}), headers=fields)
    try:
        for port in ports:
            until("both are ready", lambda: world.call("GET", port, "/readyz").status == 200)
        said = [register(ports[n % 2], n, "alice:changed") for n in range(6)]
        check("each of two registries takes writes", [a.status for a in said], [200] * 6)
        check("and no id is given twice", len({a.json["id"] for a in said}), 6)
        told = [line for port in ports for line in world.call("GET", port, "/metrics", headers={"Authorization": "Basic " + base64.b64encode(b"root:toor").decode()}).body.decode().splitlines()]
        check("the holder judged for the other", any(line.startswith('avrogate_registry_pen_forwards_total{outcome="relayed"}') for line in told), True)
        check("what one may not do it may not do there either", [register(p, 9, READER).status for p in ports], [403, 403])
    finally:
        check("both end when told", [p.end() for p in both], [0, 0])


def withdrawn():
    """A client's certificate that its authority takes back, while the registry runs."""
    def revoke(*names):
        write("index", "")
        write("crl.cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=%s\ndefault_md=sha256\ndefault_crl_days=1\n" % path("index"))
        how = ["-config", path("crl.cnf"), "-cert", path("ca.pem"), "-keyfile", path("ca.key")]
        for name in names:
            openssl("ca", *how, "-revoke", path(name + ".pem"))
        openssl("ca", *how, "-gencrl", "-out", path("crl.new"))
        os.rename(path("crl.new"), path("crl"))
    revoke()
    port = free_port()
    p = Program("registry", "--bootstrap", KAFKA, "--allow-unsafe", "--topic", "_sec" + run, "--listen", "127.0.0.1:%d" % port, "--auth-reload", "200ms",
                "--tls-cert", path("server.pem"), "--tls-key", path("server.key"), "--tls-client-ca", path("ca.pem"), "--tls-client-crl", path("crl"))
    try:
        until("a registry that reads revocation lists is ready", lambda: status("GET", port, "/readyz", cert="alice") == 200)
        check("two come in", [status("GET", port, "/subjects", cert=c) for c in ("alice", "etl")], [200, 200])
        revoke("alice")
        until("one of them is withdrawn", lambda: status("GET", port, "/subjects", cert="alice") is None)
        check("the other stays", status("GET", port, "/subjects", cert="etl"), 200)
        write("crl", "nothing")
        until("what is no list is said", lambda: any(path("crl") in json.dumps(e) for e in p.lines(level="error")))
        check("and the last good one stays", [status("GET", port, "/subjects", cert=c) for c in ("alice", "etl")], [None, 200])
    finally:
        check("it ends when told", p.end(), 0)


def the_gateway(port, gateway):
    def post(topic, **who):
        return ask("POST", port, "/v1/topics/%s/records" % topic, {"a": 1}, **who)[0]
    check("the gateway too asks who it is", post(TOPIC), 401)
    check("alice writes to her topic", post(TOPIC, user="alice:changed"), 200)
    check("and to no other, there or not", [post(t, user="alice:changed") for t in (SECRET_TOPIC, "sec-nowhere")], [403, 403])
    check("who may read may not write", post(TOPIC, user=READER), 403)
    check("nor by REST Proxy's paths", [ask("POST", port, p, {"records": [{"value": {"a": 1}}]}, user=READER)[0]
                                        for p in ("/topics/" + TOPIC, "/topics/%s/partitions/0" % TOPIC, "/v3/clusters/x/topics/%s/records" % TOPIC)], [403] * 3)
    cluster = ask("GET", port, "/v3/clusters", user=READER)[1]["data"][0]["cluster_id"]
    check("lists of topics show what may be read", ask("GET", port, "/topics", user=READER)[1], [TOPIC])
    check("in v3 too", [t["topic_name"] for t in ask("GET", port, "/v3/clusters/%s/topics" % cluster, user=READER)[1]["data"]], [TOPIC])
    check("and all to root", {TOPIC, SECRET_TOPIC} <= set(ask("GET", port, "/topics", user=ROOT)[1]), True)
    check("one that may not be read is not told of", [status("GET", port, "/topics/" + t, user=READER) for t in (TOPIC, SECRET_TOPIC)], [200, 403])
    check("a body is not waited for from who may not", ask("POST", port, "/v1/topics/%s/records" % SECRET_TOPIC, b"x" * 100, user=READER,
                                                           headers={"Content-Type": JSON, "Expect": "100-continue"})[0], 403)
    check_that("its refusals are logged", gateway.lines(event="refused", who="user:reader", name=TOPIC, what="write", kind="topic"))
    check_that("and who asked, in the access log", gateway.lines(event="request", who="user:alice", status=200))


authority("ca")
authority("elsewhere")
certificate("server", "/CN=localhost")
certificate("alice", "/CN=alice")
certificate("etl", "/O=Shop/CN=etl")
certificate("forged", "/O=Shop/CN=etl", by="elsewhere")
people(root="toor", alice="s3cret:with:colons", reader="r\u00e4der")
write("acl", ACL)
write("jwks", keys("k1"))
keys("k2")
programs = []
try:
    refuses_to_start()
    shared = ["--bootstrap", KAFKA, "--tls-cert", path("server.pem"), "--tls-key", path("server.key"), "--tls-client-ca", path("ca.pem"),
              "--tls-client-cert", "optional", "--auth-passwords", path("passwords"), "--auth-acl", path("acl"), "--auth-guesses", "10000",
              "--auth-jwks", path("jwks"), "--auth-jwt-issuer", "https://issuer", "--auth-jwt-audience", "avrogate"]
    port = free_port()
    registry = Program("registry", *shared, "--allow-unsafe", "--topic", "_sec" + run, "--listen", "127.0.0.1:%d" % port, "--auth-reload", "300ms")
    programs.append(registry)
    until("the registry is ready", lambda: status("GET", port, "/readyz") == 200)
    the_registry(port, registry)
    many_at_once(port)
    tokens(port, registry)
    reload(port, registry)
    keys_from_a_url()
    withdrawn()
    two_registries()

    for topic in (TOPIC, SECRET_TOPIC):
        make_topic(KAFKA, topic)
    door = free_port()
    gateway = Program("gateway", *shared, "--listen", "127.0.0.1:%d" % door, "--registry", "https://127.0.0.1:%d" % port, "--registry-user", "root",
                      "--registry-ca", path("ca.pem"), "--access-log", "all", env={"AVROGATE_REGISTRY_PASSWORD": "toor"})
    programs.append(gateway)
    until("the gateway is ready", lambda: status("GET", door, "/readyz") == 200)
    the_gateway(door, gateway)
finally:
    ended = [p.end() for p in reversed(programs)]
    if world.failed:
        for p in programs:
            print("--- " + p.log + "\n" + open(p.log).read()[-6000:])
    shutil.rmtree(home)
check("all end when told", ended, [0] * len(programs))
sys.exit(1 if world.failed else 0)
