# nginx's and systemd's files into DESTDIR, and the scripts for a host without systemd; called by the
# Makefile's install. Of what lies in /etc, files that INSTALL.md says to edit are not overwritten.
# The program has the one list of pools (handlers/pools.c).
FCGI = $(HERE)../build/millrace-fcgi
POOLS = $(or $(shell $(FCGI) --pools | cut -d ' ' -f 1),$(error $(FCGI) is not built: run make first))
UNITDIR = /lib/systemd/system
HERE := $(dir $(lastword $(MAKEFILE_LIST)))
D = $(DESTDIR)$(UNITDIR)
# where the programs are
PLACED = sed -e 's|/usr/lib/millrace|$(PREFIX)/lib/millrace|' -e 's|/usr/bin/|$(PREFIX)/bin/|'

.PHONY: install
install:
	install -d $(D) $(DESTDIR)/usr/lib/sysusers.d $(DESTDIR)/usr/lib/tmpfiles.d \
		$(DESTDIR)$(SYSCONFDIR)/millrace $(DESTDIR)$(SYSCONFDIR)/nginx/millrace \
		$(DESTDIR)$(PREFIX)/lib/millrace $(DESTDIR)$(PREFIX)/share/millrace
	for p in $(POOLS); do \
		install -m 644 $(HERE)pool.socket $(D)/millrace-$$p.socket && \
		$(PLACED) $(HERE)pool@.service \
			>$(D)/millrace-$$p@.service && \
		chmod 644 $(D)/millrace-$$p@.service || exit 1; \
	done
	for u in millrace-streamd.service millrace-runner.service; do \
		$(PLACED) $(HERE)$$u >$(D)/$$u && chmod 644 $(D)/$$u || exit 1; \
	done
	install -m 644 $(HERE)millrace-streamd.socket $(D)/
	for p in $(POOLS); do \
		echo "Wants=millrace-$$p.socket millrace-$$p@1.service millrace-$$p@2.service"; \
	done | sed -e '/@WANTS@/{r /dev/stdin' -e 'd}' $(HERE)millrace.target.in >$(D)/millrace.target
	chmod 644 $(D)/millrace.target
	install -m 644 $(HERE)sysusers.conf $(DESTDIR)/usr/lib/sysusers.d/millrace.conf
	install -m 644 $(HERE)tmpfiles.conf $(DESTDIR)/usr/lib/tmpfiles.d/millrace.conf
	install -m 644 $(HERE)millrace.env.example $(DESTDIR)$(SYSCONFDIR)/millrace/
	$(PLACED) $(HERE)../host/init >$(DESTDIR)$(PREFIX)/lib/millrace/millrace-init
	chmod 755 $(DESTDIR)$(PREFIX)/lib/millrace/millrace-init
	install -m 755 $(HERE)../host/nginx-reload $(DESTDIR)$(PREFIX)/lib/millrace/
	install -m 644 $(HERE)../host/logrotate $(DESTDIR)$(PREFIX)/share/millrace/
	for f in $(HERE)../nginx/*; do \
		to=$(DESTDIR)$(SYSCONFDIR)/nginx/millrace/$${f##*/}; \
		case $$to in \
		*/origins.map | */proxies.map | */limits.conf | */upload-limit.conf | */local-only.conf) \
			[ ! -e $$to ] || \
				{ cmp -s $$f $$to || install -m 644 $$f $$to.new; continue; } ;; \
		esac; \
		install -m 644 $$f $$to || exit 1; \
	done
	sed -i 's|/usr/share/millrace|$(PREFIX)/share/millrace|' $(DESTDIR)$(SYSCONFDIR)/nginx/millrace/pages.conf
