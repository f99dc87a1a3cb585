(() => {
  'use strict';
  const root = document.documentElement;
  const one = (selector, at = document) => at.querySelector(selector);
  const all = (selector, at = document) => [...at.querySelectorAll(selector)];
  const said = one('#said');
  root.classList.add('js');

  // Times are written in UTC; beside them the reader's own.
  for (const time of all('time[data-local]')) {
    const when = new Date(time.dateTime);
    if (!isNaN(when)) time.after(` (${when.toLocaleString(root.lang, { dateStyle: 'medium', timeStyle: 'short' })} ${time.dataset.local})`);
  }

  const copied = async text => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* no permission, or not a secure place */ }
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  };
  document.addEventListener('click', async event => {
    const button = event.target.closest('button.copy');
    if (!button) return;
    const words = (await copied(one('code', button.parentElement).textContent)) ? button.dataset.done : button.dataset.failed;
    const before = button.dataset.before ??= button.textContent;
    button.textContent = said.textContent = words;
    button.focus();
    setTimeout(() => { button.textContent = before; }, 2000);
  });

  // What an address names is opened, wherever it is folded away.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName === 'DETAILS') at.open = true;
      if (at.classList.contains('path')) one('#e' + at.id.slice(5)).checked = true;
    }
    target.scrollIntoView();
  };
  addEventListener('hashchange', reveal);

  const list = one('#checks');
  if (!list) { reveal(); return; }
  const names = JSON.parse(list.dataset.edges);
  const ranges = text => text ? text.split(',').map(part => part.split('-').map(Number)) : [];
  const rows = all('.check', list).map((element, place) => ({
    element, place, home: element.parentElement, edges: ranges(element.dataset.at), ...element.dataset,
  }));
  const groups = all('.group', list);
  const folded = new Map(groups.map(group => [group, group.open]));
  const [search, state, side, node, sort] = ['search', 'state', 'side', 'node', 'sort'].map(name => one('#by-' + name));
  const flat = one('#flat'), shown = one('#shown'), nothing = one('#nothing');
  const orders = {
    code: (a, b) => a.code.localeCompare(b.code),
    side: (a, b) => a.side.localeCompare(b.side) || a.code.localeCompare(b.code),
    time: (a, b) => b.ms - a.ms,
  };
  const quiet = ['pass', 'skip'];
  const fits = (row, words, edges) =>
    (!state.value || row.state === state.value || (state.value === 'attention' && !quiet.includes(row.state)))
    && (!side.value || row.side === side.value)
    && (!edges || !row.edges.length || row.edges.some(([from, to = from]) => edges.some(edge => from <= edge && edge <= to)))
    && words.every(word => (row.text ??= row.element.textContent.toLowerCase()).includes(word));

  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = node.value.trim().toLowerCase();
    const exact = names.findIndex(name => name.toLowerCase() === wanted);
    const edges = !wanted ? null : exact >= 0 ? [exact] : names.flatMap((name, at) => name.toLowerCase().includes(wanted) ? [at] : []);
    let count = 0;
    for (const row of rows) {
      const fit = fits(row, words, edges);
      row.element.hidden = !fit;
      count += fit;
    }
    const order = orders[sort.value];
    for (const row of order ? [...rows].sort(order) : rows) (order ? flat : row.home).append(row.element);
    flat.style.display = order ? 'block' : '';
    const filtered = words.length || wanted || state.value || side.value;
    for (const group of groups) {
      group.hidden = Boolean(order) || !one('.check:not([hidden])', group);
      group.open = filtered ? true : folded.get(group);
    }
    shown.textContent = shown.dataset.words.replace('{shown}', count).replace('{all}', rows.length);
    nothing.hidden = count > 0;
  };
  for (const control of [search, state, side, node, sort]) control.addEventListener('input', apply);
  one('#clear').addEventListener('click', () => {
    search.value = state.value = side.value = node.value = '';
    sort.value = 'state';
    apply();
    search.focus();
  });
  for (const tile of all('a[data-show]')) tile.addEventListener('click', () => { state.value = tile.dataset.show; apply(); });
  addEventListener('keydown', event => {
    if (event.key !== '/' || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    search.focus();
  });
  apply();
  reveal();
})();
