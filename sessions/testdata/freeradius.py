#!/usr/bin/env python3
"""Makes freeradius.json: what a real FreeRADIUS answers to logins of users in groups, for TestAsFreeRADIUS.

    freeradius.py ROOT > freeradius.json

ROOT is where Debian's packages freeradius, freeradius-common, freeradius-config, freeradius-utils and libfreeradius3 (and, where
they are not installed, libtalloc2 and libpcre3) are unpacked (dpkg -x), or / where they are installed. It listens on loopback only.
A group is an AAA profile. Groups get Fall-Through = Yes unless a case says otherwise: gatehouse looks at all profiles.
"""
import json, os, sqlite3, subprocess, sys, tempfile, time

def cases():
    out = []
    mark = [["Session-Timeout", "=", "100"]]
    def check(name, checks, **asked):
        out.append({"name": name, "groups": [{"check": checks, "reply": mark}], "asked": {k.replace("_", "-"): v for k, v in asked.items()}})
    for op in ["=", "==", "!=", "=~", "!~", ":=", "+="]:
        for what, asked in {"same": {"NAS_Identifier": "lobby"}, "other": {"NAS_Identifier": "bar"}, "absent": {}}.items():
            check(f"text {op} {what}", [["NAS-Identifier", op, "lobby"]], **asked)
    for op in ["=*", "!*"]:
        for what, asked in {"present": {"NAS_Identifier": "lobby"}, "absent": {}}.items():
            check(f"text {op} {what}", [["NAS-Identifier", op, ""]], **asked)
    for op in ["==", "!=", ">", ">=", "<", "<="]:
        for port in ["9", "10", "11"]:
            check(f"number {port} {op} 10", [["NAS-Port", op, "10"]], NAS_Port=port)
        check(f"number {op} absent", [["NAS-Port", op, "10"]])
    for op in ["==", "!=", ">", "<="]:
        for ip in ["192.0.2.9", "192.0.2.100"]:
            check(f"address {ip} {op} 192.0.2.9", [["NAS-IP-Address", op, "192.0.2.9"]], NAS_IP_Address=ip)
    check("name of a number", [["Service-Type", "==", "Login-User"]], Service_Type="Login-User")
    check("another name of a number", [["Service-Type", "==", "Login-User"]], Service_Type="Framed-User")
    check("number of a name", [["NAS-Port-Type", "==", "19"]], NAS_Port_Type="Wireless-802.11")
    check("not anchored", [["Called-Station-Id", "=~", ":Guest$"]], Called_Station_Id="AA-BB:Guest")
    check("anchored", [["Called-Station-Id", "=~", "^Guest"]], Called_Station_Id="AA-BB:Guest")
    check("case counts", [["NAS-Identifier", "==", "Lobby"]], NAS_Identifier="lobby")
    check("all of them", [["NAS-Identifier", "==", "lobby"], ["NAS-Port", ">", "5"]], NAS_Identifier="lobby", NAS_Port="6")
    check("not all of them", [["NAS-Identifier", "==", "lobby"], ["NAS-Port", ">", "5"]], NAS_Identifier="lobby", NAS_Port="5")
    def reply(name, *groups):
        out.append({"name": name, "groups": [{"check": g[0], "reply": g[1]} for g in groups], "asked": {"NAS-Identifier": "lobby"}})
    for op in ["=", ":=", "+=", "==", ">=", "<=", "!*", "!=", ">", "=~"]:
        reply(f"200 {op} alone", ([], [["Session-Timeout", op, "200"]]))
        for first in ["100", "200", "300"]:
            reply(f"{first} then {op} 200", ([], [["Session-Timeout", "=", first]]), ([], [["Session-Timeout", op, "200"]]))
        reply(f"two, then {op} 200", ([], [["Session-Timeout", "+=", "100"], ["Session-Timeout", "+=", "300"]]), ([], [["Session-Timeout", op, "200"]]))
    reply("one table does not act on itself", ([], [["Session-Timeout", "=", "100"], ["Session-Timeout", "=", "200"], ["Session-Timeout", ":=", "300"]]))
    reply("= after := in one table", ([], [["Session-Timeout", "=", "100"]]), ([], [["Session-Timeout", ":=", "200"], ["Session-Timeout", "=", "300"]]))
    reply("text replaced", ([], [["Filter-Id", "=", "a"]]), ([], [["Filter-Id", ":=", "b"], ["Idle-Timeout", "=", "5"]]))
    reply("text filtered", ([], [["Filter-Id", "+=", "a"], ["Filter-Id", "+=", "b"]]), ([], [["Filter-Id", "==", "b"]]))
    no = [["NAS-Identifier", "==", "bar"]]
    reply("passed over", (no, [["Session-Timeout", "=", "100"]]), ([], [["Session-Timeout", "=", "200"]]))
    reply("none counts", (no, [["Session-Timeout", "=", "100"]]), (no, [["Session-Timeout", "=", "200"]]))
    stop = ["Fall-Through", "=", "No"]
    reply("stopped", ([], [["Session-Timeout", "=", "100"], stop]), ([], [["Session-Timeout", ":=", "200"]]))
    reply("not stopped by one passed over", (no, [["Session-Timeout", "=", "100"], stop]), ([], [["Idle-Timeout", ":=", "200"]]))
    reply("rejected", ([], [["Session-Timeout", "=", "100"]]), ([["Auth-Type", ":=", "Reject"]], [["Idle-Timeout", "=", "5"]]))
    reply("rejected by one passed over", (no + [["Auth-Type", ":=", "Reject"]], []), ([], [["Idle-Timeout", "=", "5"]]))
    return out

CONF = """
prefix = {root}/usr
libdir = {root}/usr/lib/freeradius
confdir = {dir}
logdir = {dir}
run_dir = {dir}
pidfile = {dir}/pid
security {{ allow_vulnerable_openssl = yes }}
client localhost {{ ipaddr = 127.0.0.1
 secret = testing123 }}
modules {{
 expr {{
 }}
 pap {{
 }}
 sql {{
  driver = "rlm_sql_sqlite"
  dialect = "sqlite"
  sqlite {{ filename = "{dir}/db" }}
  acct_table1 = "radacct"
  acct_table2 = "radacct"
  postauth_table = "radpostauth"
  authcheck_table = "radcheck"
  groupcheck_table = "radgroupcheck"
  authreply_table = "radreply"
  groupreply_table = "radgroupreply"
  usergroup_table = "radusergroup"
  client_table = "nas"
  read_groups = yes
  group_attribute = "SQL-Group"
  pool {{ start = 1
   min = 1
   max = 4
   spare = 1
   idle_timeout = 0 }}
  $INCLUDE {root}/etc/freeradius/3.0/mods-config/sql/main/sqlite/queries.conf
 }}
}}
instantiate {{
 expr
}}
server default {{
 listen {{
  type = auth
  ipaddr = 127.0.0.1
  port = 18129
 }}
 authorize {{
  sql
  pap
 }}
 authenticate {{
  Auth-Type PAP {{
   pap
  }}
 }}
}}
"""

def main():
    root = sys.argv[1].rstrip("/")
    env = dict(os.environ, LD_LIBRARY_PATH=":".join(root + p for p in ["/usr/lib/freeradius", "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu"]))
    with tempfile.TemporaryDirectory() as d:
        open(d + "/radiusd.conf", "w").write(CONF.format(root=root, dir=d))
        open(d + "/dictionary", "w").write("")
        db = sqlite3.connect(d + "/db")
        db.executescript(open(root + "/etc/freeradius/3.0/mods-config/sql/main/sqlite/schema.sql").read())
        all = cases()
        for i, c in enumerate(all):
            user = f"u{i}"
            db.execute("INSERT INTO radcheck (username, attribute, op, value) VALUES (?, 'Cleartext-Password', ':=', 'pw')", (user,))
            for j, g in enumerate(c["groups"]):
                group = f"{user}g{j}"
                db.execute("INSERT INTO radusergroup (username, groupname, priority) VALUES (?, ?, ?)", (user, group, j))
                rows = list(g["reply"])
                if not any(r[0] == "Fall-Through" for r in rows):
                    rows.append(["Fall-Through", "=", "Yes"])
                for table, list_ in (("radgroupcheck", g["check"]), ("radgroupreply", rows)):
                    for r in list_:
                        db.execute(f"INSERT INTO {table} (groupname, attribute, op, value) VALUES (?, ?, ?, ?)", (group, *r))
        db.commit()
        db.close()
        share = root + "/usr/share/freeradius"
        server = subprocess.Popen([root + "/usr/sbin/freeradius", "-f", "-l", d + "/log", "-d", d, "-D", share], env=env)
        try:
            time.sleep(3)
            for i, c in enumerate(all):
                asked = {"User-Name": f"u{i}", "User-Password": "pw", **c["asked"]}
                packet = "\n".join(f'{k} = "{v}"' for k, v in asked.items())
                p = subprocess.run([root + "/usr/bin/radclient", "-x", "-D", share, "127.0.0.1:18129", "auth", "testing123"],
                                   input=packet, env=env, capture_output=True, text=True)
                answer, reply = p.stdout, False
                lines = []
                for line in answer.splitlines():
                    if line.startswith("Received"):
                        reply = True
                        if "Access-Reject" in line:
                            lines.append("rejected")
                    elif reply and line.startswith("\t") and lines != ["rejected"]:
                        lines.append(line.strip().replace('"', ""))
                if not reply:
                    sys.exit(f"{c['name']}: no answer: {p.stdout}{p.stderr}" + open(d + "/log").read())
                c["answer"] = lines
        finally:
            server.terminate()
            server.wait()
    print("[\n" + ",\n".join(json.dumps(c) for c in all) + "\n]")

main()
