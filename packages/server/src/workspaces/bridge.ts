// The program the connection snippets run on the owner's machine: Python 3 with its standard library, nothing to install.
// It speaks the same HTTP as any agent in poll mode (chapter 20 §12.2). Text of others never becomes an option or code.

/** As one word of a POSIX shell. */
export const quoteShell = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Needs PLATFORM_URL, WORKSPACE_ID, TOKEN, NAME and answer(text). At least once: the cursor is stored after the answer, and the
 * id of a reply comes from the message it answers, so that a repeat is not a second one. Its own notifications are
 * rows of the same type without a request, and peers are answered where they delegated: two programs never talk in circles.
 */
export const BRIDGE = `
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request

CURSOR_FILE = f".molecule-{WORKSPACE_ID}.cursor"
working = threading.Event()
# A peer that cannot be reached for a minute does not hold up everybody else.
MOST_TRIES = 30
answers = {}
tries = {}
handled = set()


def call(method, path, body=None):
    request = urllib.request.Request(
        PLATFORM_URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": "Bearer " + TOKEN, "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.read()


def beat():
    while True:
        try:
            call("POST", "/registry/heartbeat", {"workspace_id": WORKSPACE_ID, "active_tasks": int(working.is_set())})
        except OSError as error:
            print("no beat:", error, file=sys.stderr)
        time.sleep(20)


def inside(value, key):
    """What others sent has any shape."""
    return value.get(key) if isinstance(value, dict) else None


def text_of(message):
    parts = inside(message, "parts")
    texts = [inside(part, "text") for part in parts] if isinstance(parts, list) else []
    return "\\n".join(text for text in texts if isinstance(text, str))


def think(text):
    working.set()
    try:
        return answer(text).strip() or "(no answer)"
    except Exception as error:
        return f"The agent failed: {error}"
    finally:
        working.clear()


def send(row, delegation, said):
    if not delegation:
        return call("POST", f"/workspaces/{WORKSPACE_ID}/notify", {"message": said, "in_reply_to": row["id"]})
    message = inside(inside(row.get("request_body"), "params"), "message")
    reply = {
        "role": "user",
        "messageId": "reply-" + row["id"],
        "parts": [{"kind": "text", "text": said}],
        "metadata": {"delegation_id": delegation, "in_reply_to": inside(message, "messageId") or row["id"]},
    }
    request = {"jsonrpc": "2.0", "id": row["id"], "method": "message/send", "params": {"message": reply}}
    return call("POST", f"/workspaces/{row['source_id']}/a2a", request)


def handle(row):
    if row["id"] in handled:
        return
    message = inside(inside(row.get("request_body"), "params"), "message")
    source = row.get("source_id")
    text = text_of(message)
    if not text or row.get("answered_at") or source == WORKSPACE_ID:
        return
    delegation = inside(inside(message, "metadata"), "delegation_id")
    if source and not delegation:
        print("heard:", text)
        return
    # Kept until it is delivered: a platform that is away for a moment does not make the agent think twice.
    if row["id"] not in answers:
        answers[row["id"]] = think(text)
    try:
        send(row, delegation if source else None, answers[row["id"]])
    except urllib.error.HTTPError as error:
        tries[row["id"]] = tries.get(row["id"], 0) + 1
        again = error.code == 429 or (error.code >= 500 and tries[row["id"]] < MOST_TRIES)
        if again or error.code == 401:
            raise
        print("the answer was refused:", error, file=sys.stderr)
    answers.pop(row["id"])
    tries.pop(row["id"], None)


def read_cursor():
    try:
        with open(CURSOR_FILE) as file:
            return file.read().strip() or None
    except FileNotFoundError:
        return None


def save_cursor(cursor):
    with open(CURSOR_FILE + ".new", "w") as file:
        file.write(cursor)
    os.replace(CURSOR_FILE + ".new", CURSOR_FILE)


def fetch(cursor):
    since = f"since_id={cursor}" if cursor else "since_secs=600"
    rows = json.loads(call("GET", f"/workspaces/{WORKSPACE_ID}/activity?type=a2a_receive&limit=500&{since}"))
    # Without a cursor the newest come first.
    return rows if cursor else rows[::-1]


def run():
    card = {"name": NAME}
    call("POST", "/registry/register", {"id": WORKSPACE_ID, "delivery_mode": "poll", "agent_card": card})
    print(NAME, "is connected to", PLATFORM_URL, flush=True)
    threading.Thread(target=beat, daemon=True).start()
    cursor = read_cursor()
    while True:
        try:
            for row in fetch(cursor):
                handle(row)
                if len(handled) > 10_000:
                    handled.clear()
                handled.add(row["id"])
                cursor = row["id"]
                save_cursor(cursor)
        except urllib.error.HTTPError as error:
            if error.code == 401:
                raise
            if error.code == 410:
                cursor = None
            print("the platform refused:", error, file=sys.stderr)
        except OSError as error:
            print("no platform:", error, file=sys.stderr)
        time.sleep(2)


try:
    run()
except urllib.error.HTTPError as error:
    sys.exit(f"the platform refused the seat: {error.code} {error.read().decode()}")
except urllib.error.URLError as error:
    sys.exit(f"no platform at {PLATFORM_URL}: {error.reason}")
except KeyboardInterrupt:
    pass
`;

export interface BridgeCommand {
  comment: string;
  /** `NAME=value`, quoted. */
  variables: string[];
  name: string;
  /** The agent's command. A word with {text} gets the message there, else it comes on standard input. */
  words: string[];
  /** How the program gets onto the machine when it is not there. */
  install?: { program: string; by: string };
}

/** One shell command: what is missing is installed first, and nothing of the owner's files is written but the cursor. */
export function bridgeCommand({ comment, variables, name, words, install }: BridgeCommand): string {
  const first = install ? `{ command -v ${install.program} >/dev/null || ${install.by}; } &&\n` : '';
  return `${comment}
${first}${variables.join(' \\\n')} \\
python3 - <<'MOLECULE'
import os
import subprocess

PLATFORM_URL = os.environ["PLATFORM_URL"]
WORKSPACE_ID = os.environ["WORKSPACE_ID"]
TOKEN = os.environ.pop("MOLECULE_WORKSPACE_TOKEN")
NAME = ${JSON.stringify(name)}
COMMAND = ${JSON.stringify(words)}


def answer(text):
    command = [word.replace("{text}", text) for word in COMMAND]
    given = text if command == COMMAND else ""
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-500:] or f"exit code {done.returncode}")
    return done.stdout

${BRIDGE}MOLECULE
`;
}
