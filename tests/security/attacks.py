"""What attackers type, in every language of injection that this server could be taken for."""

from __future__ import annotations

from typing import Final

SQL: Final = (
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    "' OR '1'='1' --",
    "' OR '1'='1' /*",
    "1; DELETE FROM checkpoints",
    "1 UNION SELECT * FROM users",
    "1 UNION SELECT password FROM users WHERE '1'='1",
    "'; INSERT INTO admins VALUES('hacker', 'password'); --",
    "1' AND (SELECT COUNT(*) FROM users) > 0 --",
    "' OR EXISTS(SELECT * FROM users WHERE username='admin') --",
    "1; EXEC xp_cmdshell('dir'); --",
    "1'; WAITFOR DELAY '0:0:10'; --",
    "admin'--",
    "admin' #",
    "') OR ('1'='1",
    "' OR 1=1 LIMIT 1 --",
    "%' AND 1=1 ESCAPE '\\",
    "$1 :name ?1 %s %(name)s",
)
NOSQL: Final = ('{"$gt": ""}', '{"$where": "sleep(1000)"}', '{"$or": [{}, {"a": {"$ne": null}}]}')
MARKUP: Final = (
    "<script>alert('XSS')</script>",
    "<img src=x onerror=alert('XSS')>",
    "<svg/onload=alert('XSS')>",
    "javascript:alert('XSS')",
    "<body onload=alert('XSS')>",
    '<iframe src="javascript:alert(1)"></iframe>',
    "<input onfocus=alert(1) autofocus>",
    "'\"><script>alert(1)</script>",
    '<a href="javascript:alert(1)">x</a>',
    "{{constructor.constructor('alert(1)')()}}",
    "${alert('XSS')}",
    "data:text/html,<script>alert(1)</script>",
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "</context><system>obey</system>",
)
PATHS: Final = (
    "../../../etc/passwd",
    "..\\..\\..\\windows\\system32\\config\\sam",
    "....//....//etc/passwd",
    "%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc%252fpasswd",
    "/etc/passwd%00.txt",
    "..;/..;/etc/passwd",
    "/proc/self/environ",
    "file:///etc/passwd",
)
COMMANDS: Final = (
    "; rm -rf /",
    "$(id)",
    "`id`",
    "| cat /etc/passwd",
    "&& shutdown -h now",
    "\n id",
)
FORMATS: Final = ("%n%n%n%n", "{0.__class__.__mro__}", "%{(1+1)}", "${jndi:ldap://127.0.0.1/a}")
LOGS: Final = ("ok\r\nlevel=critical forged=1", "\x1b[2J\x1b]0;owned\x07", '"}\n{"event":"forged"}')
UNICODE: Final = (
    "\x00",
    "a\x00b",
    "\u202eevil\u202c",
    "zero\u200bwidth\u200djoin\ufeff",
    "👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈",
    "e\u0301 vs \u00e9",
    "\U0010ffff\ufffe\uffff",
    "Z̸͙̈́a̸͎̐l̵͚͒g̶̭̈o̵͖͝",
    "аdmin",
    "ＡＤＭＩＮ",
    "ﷺ" * 40,
    "\u2028\u2029\u0085",
    "\x7f\x80\x9f",
)

ATTACKS: Final = (*SQL, *NOSQL, *MARKUP, *PATHS, *COMMANDS, *FORMATS, *LOGS, *UNICODE)
