# nginx's and systemd's files into DESTDIR, and the scripts for a host without systemd; called by the
# Makefile's install. Of what lies in /etc, files that INSTALL.md says to edit are not overwritten.
# The program has the one list of pools (handlers/pools.c).
FCGI = $(HERE)../build/millrace-fcgi
POOLS = $(or $(shell $(FCGI) --pools | cut -d ' ' -f 1),$(error $(FCGI) is not built: run make first))
UNITDIR = /lib/systemd/system
HERE := $(dir $(lastword $(MAKEFILE_LIST)))
D = $(DESTDIR)$(UNITDIR)

.PHONY: install
install:
	install -d $(D) $(DESTDIR)/usr/lib/sysusers.d $(DESTDIR)/usr/lib/tmpfiles.d \
		$(DESTDIR)$(SYSCONFDIR)/millrace $(DESTDIR)$(SYSCONFDIR)/nginx/millrace \
		$(DESTDIR)$(PREFIX)/lib/millrace $(DESTDIR)$(PREFIX)/share/millrace
	for p in $(POOLS); do \
		install -m 644 $(HERE)pool.socket $(D)/millrace-$$p.socket && \
		install -m 644 $(HERE)pool@.service $(D)/millrace-$$p@.service || exit 1; \
	done
	install -m 644 $(HERE)millrace-streamd.socket $(HERE)millrace-streamd.service $(HERE)millrace-runner.service $(D)/
	for p in $(POOLS); do \
		echo "Wants=millrace-$$p.socket millrace-$$p@1.service millrace-$$p@2.service"; \
	done | sed -e '/@WANTS@/{r /dev/stdin' -e 'd}' $(HERE)millrace.target.in >$(D)/millrace.target
	chmod 644 $(D)/millrace.target
	install -m 644 $(HERE)sysusers.conf $(DESTDIR)/usr/lib/sysusers.d/millrace.conf
	install -m 644 $(HERE)tmpfiles.conf $(DESTDIR)/usr/lib/tmpfiles.d/millrace.conf
	install -m 644 $(HERE)millrace.env.example $(DESTDIR)$(SYSCONFDIR)/millrace/
	install -m 755 $(HERE)../host/init $(DESTDIR)$(PREFIX)/lib/millrace/millrace-init
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
	# where the programs are: files to edit have it in comments alone
	[ '$(PREFIX)' = /usr ] || { \
		sed -i 's,/usr/\(bin/\|lib/millrace\|share/millrace\|share/doc\),$(PREFIX)/\1,g' $(D)/millrace* \
			$(DESTDIR)$(SYSCONFDIR)/nginx/millrace/*.conf $(DESTDIR)$(PREFIX)/lib/millrace/millrace-init && \
		echo 'MILLRACE_LIBEXEC_DIR=$(PREFIX)/lib/millrace' >>$(DESTDIR)$(SYSCONFDIR)/millrace/millrace.env.example; \
	}
