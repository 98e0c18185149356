# The engine for servers with php: runs steps from standard input. Without arguments it says its version.
# PDO gives back every string as text: a result of ieee754_to_blob or sha3 belongs inside hex() or CAST(... AS BLOB).
error_reporting(E_ALL & ~E_DEPRECATED);
if ($argc < 3) {
    if (PHP_VERSION_ID >= 70300 && extension_loaded("pdo_sqlite")) {
        $sqlite = (new PDO("sqlite::memory:"))->query("SELECT sqlite_version()")->fetchColumn();
        if (version_compare($sqlite, "3.27", ">=")) { echo PHP_VERSION, " with SQLite ", $sqlite; }
    }
    exit(0);
}
$path = $argv[1];
$identity = function () use ($path) {
    clearstatcache();
    $found = @stat($path);
    return $found === false ? null : [$found["dev"], $found["ino"]];
};
$opened = $identity();
$step_of = function () {
    $line = fgets(STDIN);
    if ($line !== false && strncmp($line, "--+", 3) === 0) {
        for ($left = (int) substr($line, 3), $step = ""; $left > 0; $left--) {
            $line = fgets(STDIN);
            $step .= $line;
            if ($line === false) { return null; }
        }
        $line = $step;
    }
    # A last line without an end was cut on its way.
    return $line === false || substr($line, -1) !== "\n" ? null : $line;
};
$put = function ($text) {
    while ($text !== "") {
        $written = fwrite(STDOUT, $text);
        if ($written === false || $written === 0) { exit(1); }
        $text = (string) substr($text, $written);
    }
};
try {
    $database = new PDO("sqlite:" . $path, null, null, [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        // With SQLITE_OPEN_URI: a backup is attached by a URI that makes it read-only.
        PDO::SQLITE_ATTR_OPEN_FLAGS => PDO::SQLITE_OPEN_READWRITE | 0x40,
    ]);
    $database->exec("PRAGMA busy_timeout=" . (int) $argv[2]);
    $database->sqliteCreateFunction("ieee754_to_blob", function ($real) {
        return is_float($real) || is_int($real) ? pack("E", $real) : null;
    }, 1);
    $database->sqliteCreateFunction("ieee754_from_blob", function ($blob) {
        return is_string($blob) && strlen($blob) === 8 ? unpack("E", $blob)[1] : null;
    }, 1);
    $database->sqliteCreateFunction("sha3", function ($value, $bits) {
        if ($bits !== 256 || is_float($value)) { throw new Exception("sha3 takes no reals, and only 256 bits"); }
        return $value === null ? null : hash("sha3-256", (string) $value, true);
    }, 2);
    $database->sqliteCreateFunction("modsync_moved", function () use ($opened, $identity) {
        return (int) ($opened === null || $identity() !== $opened);
    }, 0);
    while (($step = $step_of()) !== null) {
        if (strncmp($step, "SELECT", 6) === 0) {
            $out = "";
            foreach ($database->query($step, PDO::FETCH_NUM) as $row) {
                $out .= implode("\t", $row) . "\n";
                if (strlen($out) > 65536) { $put($out); $out = ""; }
            }
            $put($out);
        } else {
            $database->exec($step);
        }
    }
} catch (Throwable $error) {
    fwrite(STDERR, "Error: " . $error->getMessage() . "\n");
    exit(1);
}
