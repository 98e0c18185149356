# Says what the server's side looks like: one fact a line, each behind the token. POSIX sh; it writes nothing. Sent to a
# shell's standard input, after lines that set `token`, `database` and `name` (of the host).
LC_ALL=C
export LC_ALL
umask 077
unset CDPATH
PATH="${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
export PATH

say() { printf '%s %s\n' "$token" "$*"; }
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

# GNU and BusyBox write the options of stat one way, BSD and macOS another. $1: what it is, $2: its path.
look() {
    [ -e "$2" ] || return 0
    seen=$(stat -Lc '%u %g %a %U %G' -- "$2" 2>/dev/null || stat -Lf '%u %g %Lp %Su %Sg' -- "$2" 2>/dev/null)
    if [ -n "$seen" ]; then say "$1 $seen $(hex "$2")"; fi
}

# How much of a disk is free, in KiB, and how full it is, in percent.
disk() {
    said=$(df -Pk -- "$2" 2>/dev/null | sed -n '$s/.* \([0-9][0-9]*\)  *\([0-9][0-9]*\)% .*/\1 \2/p')
    if [ -n "$said" ]; then say "$1 $said"; fi
}

# $1: what it is, $2: the account's name or number.
account() {
    number=$(id -u "$2" 2>/dev/null) || return 0
    say "$1 $number $(id -un "$2" 2>/dev/null || echo "$2") $(id -G "$2" 2>/dev/null)"
}

# The accounts as which programs run that serve pages: PHP's own where they are seen, or else web servers. A master
# process of root does not open the database.
servers() {
    ps -eo user=,args= 2>/dev/null | while read -r user program; do
        case $program in
        'php-fpm: pool'* | *php-cgi* | *lsphp* | *php*\ -S\ *) echo "php $user" ;;
        *apache2* | *httpd* | 'nginx: worker'* | *lighttpd* | *caddy* | *frankenphp* | *litespeed*) echo "web $user" ;;
        esac
    done | sort -u | while read -r kind user; do account "$kind" "$user"; done
}

# What of the path comes after a folder that web servers serve by custom.
below_web_root() {
    rest=$1
    while :; do
        case $rest in
        */html/* | */htdocs/* | */public_html/* | */httpdocs/* | */www/* | */wwwroot/*) ;;
        *) return 0 ;;
        esac
        rest=${rest#/}
        part=${rest%%/*}
        case $rest in */*) rest=/${rest#*/} ;; *) return 0 ;; esac
        case $part in html | htdocs | public_html | httpdocs | www | wwwroot) echo "$rest" ;; esac
    done
}

# Asks the web server of this machine for the first bytes of the database.
served() {
    command -v curl >/dev/null 2>&1 || return 0
    below_web_root "$1" | head -n 4 | while read -r path; do
        for url in "http://$name$path" "https://$name$path"; do
            got=$(curl -gsk -r 0-14 --connect-timeout 0.3 -m 0.6 --noproxy '*' \
                --resolve "$name:80:127.0.0.1" --resolve "$name:443:127.0.0.1" -- "$url" 2>/dev/null | head -c 15)
            if [ "$got" = "SQLite format 3" ]; then say "served $(hex "$url")"; fi
        done
    done
}

facts() {
    say "clock $(date +%s.%N)"
    account me "$(id -un)"
    case $database in /*) ;; *) database=$PWD/$database ;; esac
    if [ -L "$database" ]; then say link; fi
    real=$(readlink -f -- "$database" 2>/dev/null)
    real=${real:-$database}
    folder=${real%/*}
    folder=${folder:-/}
    look database "$real"
    for tail in wal shm journal; do look "$tail" "$real-$tail"; done
    look folder "$folder"
    disk disk "$folder"
    # The folders above it, and what Apache is told to deny in them.
    up=$folder
    while :; do
        if grep -Eiqs '(require +all +denied|deny +from +all)' "$up/.htaccess"; then say "denied $(hex "$up/.htaccess")"; fi
        [ "$up" != / ] || break
        up=${up%/*}
        up=${up:-/}
        look above "$up"
    done
    servers
    for user in www-data apache nginx http www wwwrun _www; do account custom "$user"; done
    case ${XDG_STATE_HOME:-} in /*) states=$XDG_STATE_HOME/modsync ;; *) states=$HOME/.local/state/modsync ;; esac
    look states "$states"
    disk states-disk "$states"
    for file in "$states"/*.db; do
        case ${file##*/} in init-* | doctor-*) continue ;; esac
        if [ -s "$file" ]; then say "laptop $(stat -Lc %Y -- "$file" 2>/dev/null || stat -Lf %m -- "$file") ${file##*/}"; fi
    done
    for file in "$real".backup_*; do
        [ -e "$file" ] || continue
        if [ -s "$file" ] && [ ! -e "$file-journal" ]; then whole=whole; else whole=part; fi
        say "backup $whole ${file##*.backup_}"
    done
    served "$real"
    say end
}
facts </dev/null
