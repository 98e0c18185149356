# Finds the database and an engine on the server, says what it found, and becomes the engine. POSIX sh.
# Every word comes printf-encoded, so that no login shell can misread it; see launch.rs.
# $2 token  $3 database  $4 engines to try, in order  $5 sidecar's name  $6 busy timeout in ms  $7 python  $8 php
# $9 the look view of the sqlite3 shell, without its end
LC_ALL=C
export LC_ALL
umask 077
unset CDPATH
PATH="${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:$HOME/bin:$HOME/.local/bin"
export PATH
token=$2
# The x keeps newlines at the end of a path from being taken off by the substitution.
database=$(printf %bx "$3")
database=${database%x}
engines=$(printf %b "$4")
busy=$6
look=$(printf %b "$9")
tab=$(printf '\t')

say() { printf '%s %s %s\n' "$token" "$1" "$2"; }
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

# GNU and BusyBox write the options of stat one way, BSD and macOS another.
describe() {
    facts=$(stat -Lc '%d:%i %u:%g %a' -- "$2" 2>/dev/null || stat -Lf '%d:%i %u:%g %Lp' -- "$2" 2>/dev/null)
    if [ -w "$2" ]; then rights=writable; else rights=read-only; fi
    if [ -n "$facts" ]; then say "$1" "$facts $rights"; fi
}

# What an ordinary user may still fill of a folder's disk, in KiB; nothing where df does not say it.
free() { df -Pk -- "$1" 2>/dev/null | sed -n '$s/.* \([0-9][0-9]*\)  *[0-9][0-9]*% .*/\1/p'; }

# The path behind all symbolic links: the sidecar's copy belongs to the file, not to one of its names.
resolve() {
    case $database in /*) ;; *) database=$PWD/$database ;; esac
    named=$database
    links=0
    while [ -L "$database" ] && [ "$links" -lt 40 ]; do
        target=$(readlink "$database"; echo x)
        target=${target%?x}
        case $target in /*) database=$target ;; *) database=${database%/*}/$target ;; esac
        links=$((links + 1))
    done
    folder=${database%/*}
    real=$(cd -P -- "${folder:-/}" 2>/dev/null && pwd -P && echo x)
    if [ -n "$real" ]; then
        folder=${real%?x}
        database=${folder%/}/${database##*/}
    fi
}

# The other engines ask which file has the name by now. The sqlite3 shell cannot: it compares each symbolic link on the
# way, of a folder or of the file, with where it leads now.
links_of_shell() {
    elsewhere=
    seen=
    rest=$named
    links=0
    while [ -n "$rest" ]; do
        part=${rest%%/*}
        case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
        case $part in
        '' | .) ;;
        ..) seen=${seen%/*} ;;
        *)
            seen=$seen/$part
            if [ -L "$seen" ] && [ "$links" -lt 40 ]; then
                target=$(readlink "$seen"; echo x)
                target=${target%?x}
                elsewhere="$elsewhere OR (SELECT data FROM fsdir($(sql "$seen"))) IS NOT $(sql "$target")"
                case $target in /*) seen= ;; *) seen=${seen%/*} ;; esac
                rest=$target/$rest
                links=$((links + 1))
            fi ;;
        esac
    done
}
# A word of SQL; the x keeps newlines at its end.
sql() {
    word=$(printf %sx "$1" | sed "s/'/''/g")
    printf "'%s'" "${word%x}"
}

# Whether a path that cannot be seen is not there, or lies behind a folder that this user may not enter.
missing_or_denied() {
    seen=$folder
    while [ -n "$seen" ] && [ ! -d "$seen" ]; do seen=${seen%/*}; done
    if [ -x "${seen:-/}" ]; then echo missing; else echo denied; fi
}

state() {
    if [ -z "$real" ] || [ ! -e "$database" ]; then missing_or_denied
    elif [ ! -f "$database" ]; then echo not-a-file
    elif [ ! -r "$database" ]; then echo unreadable
    else echo present
    fi
}

# Sets version, or why not.
usable() {
    why="is not installed"
    command -v "$1" >/dev/null 2>&1 || return 1
    case $1 in
    sqlite3)
        why="is too old, or was built without ieee754, sha3 or fsdir"
        version=$(sqlite3 -init /dev/null -batch -bail -noheader :memory: "SELECT sqlite_version() WHERE
            hex(ieee754_to_blob(1.0))='3FF0000000000000' AND ieee754_from_blob(X'3FF0000000000000')=1.0
            AND length(sha3('',256))=32 AND EXISTS(SELECT 1 FROM fsdir('/proc/self/fd') WHERE data LIKE '/%')
            AND EXISTS(SELECT 1 FROM pragma_data_version)" 2>/dev/null </dev/null) ;;
    python3)
        why="is older than 3.6, or has no sqlite3 module with SQLite 3.27 or later"
        version=$(python3 -I -c "$python" 2>/dev/null </dev/null) ;;
    php)
        why="is older than 7.3, or has no pdo_sqlite extension with SQLite 3.27 or later"
        version=$(php -r "$php" 2>/dev/null </dev/null) ;;
    modsyncd)
        why="does not run"
        version=$(modsyncd --version 2>/dev/null </dev/null)
        version=${version#modsyncd } ;;
    esac
    # Warnings about other modules come before it.
    version=$(printf '%s\n' "$version" | tail -n 1)
    [ -n "$version" ]
}

become() {
    uri="file:$(hex "$named" | sed 's/../%&/g')?mode=rw"
    case $1 in
    sqlite3)
        links_of_shell
        exec sqlite3 -init /dev/null -batch -bail -noheader -list -separator "$tab" \
            -cmd ".timeout $busy" -cmd "$look$elsewhere;" "$uri" ;;
    python3) exec python3 -I -c "$python" "$named" "$uri" "$busy" ;;
    php) exec php -d memory_limit=-1 -d display_startup_errors=0 -d display_errors=stderr -r "$php" -- "$named" "$busy" ;;
    modsyncd) exec modsyncd engine --database "$named" --busy-timeout "$busy" ;;
    esac
}

# A banner may have left its last line open.
echo
resolve
state=$(state)
case ${XDG_STATE_HOME:-} in /*) states=$XDG_STATE_HOME/modsync ;; *) states=$HOME/.local/state/modsync ;; esac
say user "$(id -u) $(id -un)"
say home "$(hex "$HOME")"
say database "$(hex "$database")"
say state "$state"
say sidecar "$(hex "$states/$5")"
if [ -n "$real" ]; then describe folder "$folder"; fi
if [ "$state" != present ]; then exit 0; fi
describe file "$database"

# The sidecar's file is made here, empty: not every engine can make one by ATTACH.
if ! { mkdir -p -- "$states" && chmod 700 "$states" && : >>"$states/$5"; } 2>/dev/null; then
    say no-sidecar "$(hex "$states")"
    exit 0
fi
size=$(stat -Lc %s -- "$database" 2>/dev/null || stat -Lf %z -- "$database" 2>/dev/null)
say space "${size:-?} $(free "$folder") $(free "$states")"
python=$(printf %b "$7")
php=$(printf %b "$8")
for engine in $engines; do
    if usable "$engine"; then
        say engine "$engine $version"
        become "$engine"
    fi
    say unusable "$engine $why"
done
