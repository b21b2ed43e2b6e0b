# Sets JAVA_HOME to a JDK 25 or newer: the one that is set, the java on the path, then the usual folders. Sourced by mvnw, nestor and .ci/run.

# A service or an emptied environment may have no HOME; the user's entry names it.
if [ -z "${HOME:-}" ]; then
  HOME=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6 || :)
  HOME=${HOME:-/}
  export HOME
fi
nestor_jdk_is_new() {
  [ -x "$1/bin/java" ] && [ -x "$1/bin/javac" ] && [ -r "$1/release" ] || return 1
  nestor_v=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release")
  [ "${nestor_v:-0}" -ge 25 ]
}
nestor_find_jdk() {
  if [ -n "${JAVA_HOME:-}" ] && nestor_jdk_is_new "$JAVA_HOME"; then return 0; fi
  nestor_java=$(command -v java 2>/dev/null || :)
  if [ -n "$nestor_java" ]; then
    nestor_home=$(dirname "$(dirname "$(readlink -f "$nestor_java")")")
    if nestor_jdk_is_new "$nestor_home"; then JAVA_HOME=$nestor_home; export JAVA_HOME; return 0; fi
  fi
  for nestor_home in /usr/lib/jvm/* /opt/java/* /opt/jdk* /usr/java/* /usr/local/java/* "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/* "$HOME"/.local/share/mise/installs/java/*; do
    if nestor_jdk_is_new "$nestor_home"; then JAVA_HOME=$nestor_home; export JAVA_HOME; return 0; fi
  done
  echo "nestor: no JDK 25 or newer in JAVA_HOME, on the path or under /usr/lib/jvm, /opt, ~/.sdkman, ~/.jdks; install one (for example Temurin 25) or set JAVA_HOME to it" >&2
  return 1
}
