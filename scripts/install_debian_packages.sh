#!/usr/bin/env bash
# Installs what the tests need from Debian: Chromium opens the report, DejaVu draws its text, poppler reads its print-out, git
# keeps the folders that DVC and pre-commit work in.
# Does nothing where all of it is installed already.
set -euo pipefail

packages=(chromium fonts-dejavu-core git poppler-utils)
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)  # Debian splits venv off its Python

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "Debian packages: all there (${packages[*]})"
  exit 0
fi

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "Debian packages: installing ${missing[*]}"
"${as_root[@]}" apt-get update --quiet=2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}"
