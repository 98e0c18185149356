# Looks for SQLite databases where websites keep theirs, and says what it finds. POSIX sh.
# $2 how deep to look below a folder of sites  $3 how deep below the home folder
LC_ALL=C
export LC_ALL
PATH="${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"
export PATH
sites=$(printf %b "$2")
home=$(printf %b "$3")

hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

search() {
    [ -d "$1" ] || return 0
    find -H "$1" -mindepth 1 -maxdepth "$2" \
        \( -name '.*' -o -name node_modules -o -name vendor -o -name proc -o -name sys \) -prune -o \
        \( -type f -o -type l \) \( -name '*.db' -o -name '*.db3' -o -name '*.sqlite*' \) \
        ! -name '*-wal' ! -name '*-shm' ! -name '*-journal' ! -name '*.backup_*' -print 2>/dev/null
}

# The header tells a database from whatever else has such a name. GNU and BusyBox write the options of stat one way, BSD
# and macOS another.
describe() {
    while IFS= read -r file; do
        [ -f "$file" ] || continue
        if [ ! -r "$file" ]; then
            printf 'denied %s\n' "$(hex "$file")"
        elif [ "$(head -c 15 -- "$file" 2>/dev/null)" = 'SQLite format 3' ]; then
            facts=$(stat -Lc '%s %Y' -- "$file" 2>/dev/null || stat -Lf '%z %m' -- "$file" 2>/dev/null)
            printf 'file %s %s\n' "${facts:-0 0}" "$(hex "$file")"
        fi
    done
}

# A banner may have left its last line open.
echo
printf 'now %s\n' "$(date +%s)"
zone=$(php -r 'echo date_default_timezone_get();' 2>/dev/null </dev/null | tail -n 1)
printf 'zone %s\n' "$(hex "$zone")"
for folder in public_html htdocs httpdocs www html sites domains; do search "$HOME/$folder" "$sites"; done | describe
for folder in /var/www /srv /usr/share/nginx /opt; do search "$folder" "$sites"; done | describe
search "$HOME" "$home" | describe
echo 'end'
