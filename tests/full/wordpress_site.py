"""A real WordPress on loopback: Debian's `wordpress`, a MariaDB of its own, and PHP's built-in server.

    with WordPressSite() as site:
        id = site.publish("Ferry returns", "<p>The ferry sails again.</p>")
        site.edit(id, post_content="<p>At ten.</p>")
        requests.get(site.url + "feed/")

Everything lives in a folder under /tmp that goes when the site does. Nothing of a WordPress or MariaDB that is
installed on the machine is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

CODE = Path("/usr/share/wordpress")
NEEDED = ("mariadbd", "mariadb-install-db", "php")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

CONFIG = """<?php
define('DB_NAME', 'gazette');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:%(socket)s');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_HOME', '%(home)s');
define('WP_SITEURL', '%(home)s');
define('DISABLE_WP_CRON', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('WP_DEBUG', false);
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $name) {
    define($name . '_KEY', 'the harbour is deep');
    define($name . '_SALT', 'and the sea is salt');
}
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
"""
ROUTER = """<?php
$path = __DIR__ . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (is_file($path)) return false;
if (is_file(rtrim($path, '/') . '/index.php') && rtrim($path, '/') !== __DIR__) return false;
$_SERVER['SCRIPT_NAME'] = '/index.php';
require __DIR__ . '/index.php';
"""
INSTALL = """<?php
define('WP_INSTALLING', true);
function wp_new_blog_notification() {}
require __DIR__ . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install('The Harbour Gazette', 'nora', 'nora@harbour-gazette.example', true, '', 'high-water', 'en_US');
foreach (get_posts(['post_type' => 'any', 'post_status' => 'any', 'numberposts' => -1]) as $post)
    wp_delete_post($post->ID, true);
switch_theme('gazette');
update_option('permalink_structure', '/%year%/%monthnum%/%postname%/');
"""
FLUSH = "global $wp_rewrite; $wp_rewrite->init(); $wp_rewrite->flush_rules(false);"
THEME = {
    "style.css": "/*\nTheme Name: Gazette\n*/\n",
    "functions.php": "<?php add_theme_support('automatic-feed-links'); add_theme_support('post-thumbnails');\n",
    "index.php": (
        "<!DOCTYPE html><html <?php language_attributes(); ?>><head><title><?php bloginfo('name'); ?></title>"
        "<?php wp_head(); ?></head><body><?php while (have_posts()) { the_post(); the_content(); } ?></body></html>\n"
    ),
}


def what_is_missing() -> str:
    """The programs of Debian's packages that are not here, or ""."""
    programs = [name for name in NEEDED if not shutil.which(name, path=PATH)]
    return ", ".join([*programs, *([] if (CODE / "wp-load.php").is_file() else ["wordpress"])])


class WordPressSite:
    """A site titled "The Harbour Gazette" of which nora (password high-water) is the administrator."""

    def __enter__(self) -> WordPressSite:
        self._folder = Path(tempfile.mkdtemp(prefix="gazette-", dir="/tmp"))
        self._folder.chmod(0o755)  # MariaDB runs as a user of its own when we are root
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            self.port = _free_port()
            self.url = f"http://127.0.0.1:{self.port}/"
            self.root = self._folder / "site"
            self._lay_out()
            self._start_database()
            self._php_file("install.php", INSTALL)
            self.php(FLUSH)
            self._start_server()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    # ------------------------------------------------ what editors do

    def php(self, code: str, **data: Any) -> Any:
        """Run PHP inside WordPress; `$data` holds the arguments. Returns what the code returns."""
        script = (
            "<?php require __DIR__ . '/wp-load.php'; require_once ABSPATH . 'wp-admin/includes/image.php';"
            "require_once ABSPATH . 'wp-admin/includes/user.php';"
            "$data = json_decode(getenv('GAZETTE_DATA'), true);"
            f"$value = (function () use ($data) {{ {code} }})(); fwrite(STDERR, json_encode(['value' => $value]));"
        )
        done = self._php_file("snippet.php", script, GAZETTE_DATA=json.dumps(data))
        return json.loads(done.stderr.decode().splitlines()[-1])["value"]

    def publish(self, title: str, content: str = "<p>Nothing more is known.</p>", **fields: Any) -> int:
        """Add a post and return its id. `fields` are those of `wp_insert_post`."""
        post = {"post_title": title, "post_content": content, "post_status": "publish", "post_author": 1, **fields}
        return int(self.php("return wp_insert_post(wp_slash($data['post']), true);", post=post))

    def edit(self, id: int, **fields: Any) -> None:
        self.php("wp_update_post(wp_slash($data['post']), true);", post={"ID": id, **fields})

    def trash(self, id: int) -> None:
        self.php("wp_trash_post($data['id']);", id=id)

    def option(self, name: str, value: Any) -> None:
        self.php("update_option($data['name'], $data['value']);", name=name, value=value)

    def author(self, login: str, name: str, biography: str, url: str = "") -> int:
        user = {
            "user_login": login,
            "display_name": name,
            "description": biography,
            "user_url": url,
            "user_pass": login,
            "role": "author",
        }
        return int(self.php("return wp_insert_user(wp_slash($data['user']));", user=user))

    def application_password(self, login: str) -> str:
        code = """
            $user = get_user_by('login', $data['login'])->ID;
            return WP_Application_Passwords::create_new_application_password($user, ['name' => 'Publisher'])[0];"""
        return str(self.php(code, login=login))

    def picture(self, post: int, alt: str, caption: str, size: tuple[int, int] = (320, 200)) -> str:
        """Give a post a featured image (PNG) and return the image's address."""
        code = """
            $place = wp_upload_dir();
            $file = $place['path'] . '/picture-' . $data['post'] . '.png';
            $image = imagecreatetruecolor(...$data['size']);
            imagepng($image, $file);
            $media = ['post_mime_type' => 'image/png', 'post_title' => 'Picture', 'post_excerpt' => $data['caption']];
            $id = wp_insert_attachment(wp_slash($media), $file, $data['post']);
            wp_update_attachment_metadata($id, wp_generate_attachment_metadata($id, $file));
            update_post_meta($id, '_wp_attachment_image_alt', wp_slash($data['alt']));
            set_post_thumbnail($data['post'], $id);
            return wp_get_attachment_url($id);"""
        return str(self.php(code, post=post, alt=alt, caption=caption, size=list(size)))

    # ------------------------------------------------ machinery

    def _lay_out(self) -> None:
        """Copies of the files, links to the folders: WordPress takes its place from the real path of a file."""
        theme = self.root / "wp-content/themes/gazette"
        theme.mkdir(parents=True)
        (self.root / "wp-content/uploads").mkdir()
        (self.root / "wp-content/plugins").mkdir()
        for file in CODE.glob("*.php"):
            shutil.copy(file, self.root)
        for name in ("wp-includes", "wp-admin"):
            (self.root / name).symlink_to(CODE / name)
        for name, text in THEME.items():
            (theme / name).write_text(text)
        config = CONFIG % {"socket": self._socket, "home": self.url.rstrip("/")}
        (self.root / "wp-config.php").write_text(config)
        (self.root / "router.php").write_text(ROUTER)

    @property
    def _socket(self) -> Path:
        return self._folder / "data" / "sql.sock"

    def _start_database(self) -> None:
        data, user = self._folder / "data", ["--user=mysql"] if os.geteuid() == 0 else []
        scratch = self._folder / "scratch"  # of its own: two servers in one folder take each other's temporary tables
        for folder in (data, scratch):
            folder.mkdir()
            if user:
                shutil.chown(folder, "mysql")
        how = ["--no-defaults", f"--datadir={data}", f"--tmpdir={scratch}", *user]
        install = ["mariadb-install-db", *how, "--auth-root-authentication-method=normal", "--skip-test-db"]
        _run([_program(install[0]), *install[1:]])
        more = [f"--socket={self._socket}", f"--pid-file={data}/pid", "--skip-networking", "--skip-log-bin"]
        small = ["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=2", "--performance-schema=OFF"]
        self._start([_program("mariadbd"), *how, *more, *small], log="mariadb.log")
        self._until(self._database_answers, "MariaDB", "mariadb.log")

    def _database_answers(self) -> bool:
        code = f"mysqli_report(0); $db = @new mysqli('localhost', 'root', '', '', 0, '{self._socket}'); "
        code += "exit($db->connect_errno ? 1 : ($db->query('CREATE DATABASE IF NOT EXISTS gazette') ? 0 : 1));"
        return subprocess.run([_program("php"), "-r", code], capture_output=True, check=False).returncode == 0

    def _start_server(self) -> None:
        command = [_program("php"), *_PHP, "-S", f"127.0.0.1:{self.port}", "-t", str(self.root), "router.php"]
        self._start(command, log="php.log", PHP_CLI_SERVER_WORKERS="4")
        self._until(self._server_answers, "PHP", "php.log")

    def _server_answers(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def _start(self, command: list[str], *, log: str, **environment: str) -> None:
        with (self._folder / log).open("wb") as told:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,
            )
        self._processes.append(process)

    def _until(self, answers: Any, name: str, log: str) -> None:
        until = time.monotonic() + 60
        while not answers():
            if time.monotonic() > until or self._processes[-1].poll() is not None:
                raise RuntimeError(f"{name} did not start: {(self._folder / log).read_text()[-2000:]}")
            time.sleep(0.1)

    def _php_file(self, name: str, script: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        (self.root / name).write_text(script)
        host = {"HTTP_HOST": f"127.0.0.1:{self.port}", "SERVER_NAME": "127.0.0.1", "REQUEST_METHOD": "GET"}
        return _run([_program("php"), *_PHP, name], cwd=self.root, env={**os.environ, **host, **environment})

    def _stop(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)  # its own group: PHP's workers go with it
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)


_PHP = ["-d", "display_errors=0", "-d", "log_errors=0", "-d", "sendmail_path=/bin/true", "-d", "opcache.enable=1"]


def _program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if not found:
        raise RuntimeError(f"{name} is missing: install Debian's wordpress, mariadb-server, php-cli and php-mysql")
    return found


def _run(command: list[str], **how: Any) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, **how)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {(done.stdout + done.stderr).decode(errors='replace')[-2000:]}")
    return done


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
