#!/usr/bin/env python3
"""Makes freeradius_times.json: what a real FreeRADIUS answers to Login-Time and to counters of time, for TestTimesAsFreeRADIUS.

    freeradius_times.py ROOT > freeradius_times.json

ROOT is as for freeradius.py. It runs the server in many time zones, because nobody can wait for all the hours of a week; each
line has the weekday (0 is Sunday) and the time of day that the server had. It listens on loopback only.
"""
import json, os, sqlite3, subprocess, sys, tempfile, time

HOURS = ["Al", "Any", "al", "Wk", "Su", "Mo", "Tu", "We", "Th", "Fr", "Sa", "Wk2305-0855,Sa,Su2305-1655", "Wk0800-1700", "Wk0800-1700,Sa1000-1200",
    "Wk0800-1700|Sa1000-1200", "Mo-Fr0900-1730", "Sa-Mo", "Fr-Tu2200-0600", "MoTuWe0000-1200", "SaSu", "SuMo1200-2359,TuWeTh0000-1159",
    "Al0000-2359", "Al0000-2400", "Al1200-1159", "Al1200-1200", "Al0000-0000", "Al2359-0000", "0900-1700", "Never", "Al0900-900", "Al9-17", "WK0000-1159",
    "Su0000-2359,Mo0000-1200", "Al0600-1800,Al1801-2359", "Any0000-0559,Any0700-2359", "Wk,Su1200-2359", "Al 0900-2000", "garbage", "Al0000-1159,garbage"]

# limit, what is used in the period
COUNTERS = [(3600, 0), (3600, 1000), (3600, 3599), (3600, 3600), (3600, 5000), (86400, 100), (90000, 0), (200000, 100000), (3000000, 0)]

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
 files {{
  usersfile = {dir}/users
 }}
 logintime {{
  minimum_timeout = 60
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
  group_attribute = "SQL-Group"
  pool {{ start = 1
   min = 1
   max = 4
   spare = 1
   idle_timeout = 0 }}
  $INCLUDE {root}/etc/freeradius/3.0/mods-config/sql/main/sqlite/queries.conf
 }}
 {counters}
}}
instantiate {{
 expr
}}
server default {{
 listen {{
  type = auth
  ipaddr = 127.0.0.1
  port = 18130
 }}
 authorize {{
  files
  Daily
  Monthly
  All
  logintime
  pap
 }}
 authenticate {{
  Auth-Type PAP {{
   pap
  }}
 }}
}}
"""

# As FreeRADIUS's own for SQLite, with a function that SQLite has.
COUNTER = """
 sqlcounter {name} {{
  sql_module_instance = sql
  dialect = sqlite
  counter_name = {name}-Session-Time
  check_name = Max-{name}-Session
  reply_name = Session-Timeout
  key = User-Name
  reset = {reset}
  query = "SELECT IFNULL(SUM(acctsessiontime - MAX(({begin} - strftime('%%s', acctstarttime)), 0)), 0) FROM radacct WHERE username = '%{{User-Name}}' AND (strftime('%%s', acctstarttime) + acctsessiontime) > {begin}"
 }}"""

def main():
    root = sys.argv[1].rstrip("/")
    lines = []
    for hours in [0, 3, 5.5, 8, 11, 14, 17.25, 20, 23, -2, -6, -9.75, -13, -18, -22, -23.5]:
        lines += run(root, hours)
    print("[\n" + ",\n".join(json.dumps(l) for l in lines) + "\n]")

def run(root, offset):
    zone = "XXX%+d:%02d" % (int(-offset), abs(offset) * 60 % 60) # POSIX counts to the west
    share = root + "/usr/share/freeradius"
    env = dict(os.environ, TZ=zone, LD_LIBRARY_PATH=":".join(root + p for p in ["/usr/lib/freeradius", "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu"]))
    os.environ["TZ"] = zone
    time.tzset()
    lines = []
    with tempfile.TemporaryDirectory() as d:
        counters = "".join(COUNTER.format(name=n, reset=r, begin=b) for n, r, b in
            [("Daily", "daily", "%%b"), ("Monthly", "monthly", "%%b"), ("All", "never", "0")])
        open(d + "/radiusd.conf", "w").write(CONF.format(root=root, dir=d, counters=counters))
        open(d + "/dictionary", "w").write("")
        db = sqlite3.connect(d + "/db")
        db.executescript(open(root + "/etc/freeradius/3.0/mods-config/sql/main/sqlite/schema.sql").read())
        cases = [{"login_time": h} for h in HOURS]
        if offset in (0, 8, -6):
            cases += [{"counter": c, "limit": limit, "used": used} for c in ["Daily", "Monthly", "All"] for limit, used in COUNTERS]
        with open(d + "/users", "w") as users:
            for i, c in enumerate(cases):
                check = f'Login-Time := "{c["login_time"]}"' if "login_time" in c else f'Max-{c["counter"]}-Session := {c["limit"]}'
                users.write(f'u{i} Cleartext-Password := "pw", {check}\n\n')
                if c.get("used"):
                    db.execute("INSERT INTO radacct (acctsessionid, acctuniqueid, username, acctstarttime, acctsessiontime) VALUES (?, ?, ?, strftime('%Y-%m-%d %H:%M:%S', 'now'), ?)",
                        (str(i), str(i), f"u{i}", c["used"]))
        db.commit()
        db.close()
        server = subprocess.Popen([root + "/usr/sbin/freeradius", "-f", "-l", d + "/log", "-d", d, "-D", share], env=env)
        try:
            time.sleep(3)
            for i, c in enumerate(cases):
                unit = 1 if "counter" in c else 60
                while True: # the answer must be of one minute, or second
                    before = time.time()
                    p = subprocess.run([root + "/usr/bin/radclient", "-x", "-D", share, "127.0.0.1:18130", "auth", "testing123"],
                                       input=f'User-Name = "u{i}"\nUser-Password = "pw"', env=env, capture_output=True, text=True)
                    if int(before) // unit == int(time.time()) // unit:
                        break
                reply = p.stdout[p.stdout.find("Received"):]
                if not reply.startswith("Received"):
                    sys.exit(f"{c}: no answer: {p.stdout}{p.stderr}" + open(d + "/log").read())
                timeout = [int(l.split("=")[1]) for l in reply.splitlines() if "Session-Timeout" in l]
                at = time.localtime(before)
                now = time.strftime("%Y-%m-%d %H:%M:%S" if "counter" in c else "%Y-%m-%d %H:%M:00", at)
                lines.append({**c, "now": now, "answer": "rejected" if "Access-Reject" in reply else (timeout or [0])[0]})
        finally:
            server.terminate()
            server.wait()
    return lines

main()
