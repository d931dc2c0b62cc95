/* The page of the clinic's program: plain ECMAScript 5, for the browsers that village PCs have. */
(function () {
  'use strict';
  var WORDS = {
    title: ['心电图', 'ECGs'],
    open: ['心电图', 'ECGs'],
    sent: ['最近完成的', 'Finished lately'],
    none: ['还没有新的心电图', 'No new ECG yet'],
    noneHow: ['做完一份，心电图机存好文件，这里就会出现，并自动发给县里。', 'Record one: as soon as the cart has saved its file it appears here and is sent by itself.'],
    countyPhone: ['县医院心电值班', 'County ECG desk'],
    noPhone: ['急救电话', 'Emergency number'],
    dark: ['深色', 'Dark'],
    light: ['浅色', 'Light'],
    other: ['English', '中文'],
    at: ['{time} 的图', 'ECG of {time}'],
    male: ['男', 'M'],
    female: ['女', 'F'],
    age: ['{n} 岁', '{n} y'],
    leads: ['{n} 导联', '{n} leads'],
    seconds: ['{n} 秒', '{n} s'],
    rate: ['心率 {n}', 'Rate {n}'],
    quality: ['图质 {grade}', 'Grade {grade}'],
    reading: ['正在读图', 'Reading the tracing'],
    step_saved: ['已保存', 'Saved'],
    step_delivered: ['已送达', 'Delivered'],
    step_seen: ['医生已看到', 'Doctor saw'],
    step_answer: ['结果', 'Answer'],
    progress: ['进度', 'Progress'],
    sending: ['正在发 {n} %', 'Sending {n} %'],
    waiting: ['等待发送', 'Waiting to be sent'],
    waitingNet: ['等网络', 'Waiting for the line'],
    calling: ['正在叫医生', 'Calling a doctor'],
    inQueue: ['等医生看', 'Waiting for a doctor'],
    refused: ['县里没有收', 'The county did not take it'],
    again: ['再发一次', 'Send again'],
    fine: ['图清楚', 'The tracing is clear'],
    fineWhat: ['已自动发送。不代表心脏没事，等医生看。', 'Sent by itself. That does not mean that the heart is well: wait for the doctor.'],
    retakeWhat: ['这份也在发，不用等。病人不舒服就先不要重做。', 'This one is on its way too. If the patient is unwell, do not wait for a repeat.'],
    unreadable: ['本机读不出这份文件', 'This computer cannot read the file'],
    unreadableWhat: ['原文件照样发给县里。急的话请打电话。', 'The file goes to the county as it is. If it is urgent, call.'],
    pain: ['胸痛', 'Chest pain'],
    painWhat: ['病人现在胸痛', 'The patient has it now'],
    sos: ['急救', 'Emergency'],
    sosWhat: ['请医生马上看', 'A doctor must look now'],
    sosOn: ['已按急救发出', 'Sent as an emergency'],
    sosKept: ['已记为急救，第一个发', 'Marked as an emergency; goes first'],
    owed: ['还没告诉县里', 'the county does not know yet'],
    knows: ['县里知道了', 'the county knows'],
    more: ['症状和姓名', 'Symptoms and name'],
    less: ['收起', 'Close'],
    show: ['看图', 'Show tracing'],
    hide: ['收起图', 'Hide tracing'],
    noDrawing: ['画不出来', 'It cannot be drawn'],
    tracing: ['心电图波形', 'ECG tracing'],
    sx: ['病人现在', 'The patient now has'],
    sx_chest_tightness: ['胸闷', 'Tightness'],
    sx_radiating_pain: ['放射痛', 'Arm or jaw pain'],
    sx_dyspnoea: ['气短', 'Short of breath'],
    sx_sweating: ['出汗', 'Sweating'],
    sx_syncope: ['晕厥', 'Fainted'],
    sx_presyncope: ['快要晕倒', 'Nearly fainted'],
    sx_none: ['都没有', 'None'],
    name: ['姓名', 'Name'],
    idNumber: ['身份证号', 'ID number'],
    sex: ['性别', 'Sex'],
    save: ['保存', 'Save'],
    saved: ['已保存，会告诉县里', 'Saved; the county will be told'],
    RED: ['危急', 'Critical'],
    ORANGE: ['高危', 'High risk'],
    YELLOW: ['异常', 'Abnormal'],
    GREEN: ['常规', 'Routine'],
    UNREAD: ['未判读', 'Unread'],
    machine: ['机器先行提示，未经医师确认。医生回复后会变。', "First hint by the machine, not confirmed. The doctor's answer will replace it."],
    by: ['{name} · {time}', '{name} · {time}'],
    read: ['我读到了，正在做', 'Read. We are doing it'],
    readOwed: ['已记下，正在告诉县里', 'Noted; telling the county'],
    readDone: ['已告诉县医院：你在做 · {time}', 'The county knows that you are doing it · {time}'],
    doctorSays: ['{name} 医生说 · {time}', 'Dr {name} says · {time}'],
    readMessage: ['读到了', 'Read'],
    retakeAsked: ['医生请您重做', 'The doctor asks for a repeat'],
    late: ['急的图还没送到县里，请马上打电话', 'An urgent ECG has not reached the county: call now'],
    lateWhat: ['图存在本机，有网就自动发。不要等，先打电话。', 'It is kept here and goes by itself. Do not wait: call.'],
    silence: ['静音 2 分钟', 'Silence 2 min'],
    soundOff: ['打开声音', 'Turn sound on'],
    cut: ['{why}。图都存在本机，有网就自动发；急的请打电话 {phone}。', '{why}. The tracings are kept here and go by themselves; if it is urgent, call {phone}.'],
    program: ['心电程序没有在运行。新做的图不会自动发：请重新启动电脑，急的请打电话 {phone}。', 'The ECG program is not running: new tracings are not sent. Restart the computer; if it is urgent, call {phone}.'],
    notTaken: ['刚才按的没有记下：请再按一次，急的请打电话 {phone}。', 'What you just pressed was not taken: press again; if it is urgent, call {phone}.'],
    gone: ['打不开心电图机的文件夹：{path}。请检查网线或 U 盘。', "The cart's folder cannot be opened: {path}. Check the cable or the stick."],
    full: ['硬盘满了：新的心电图存不下来，还在心电图机的文件夹里。请马上清理硬盘；急的请打电话 {phone}。', "The disk is full: new ECGs cannot be kept and are only in the cart's folder. Free some space now; if it is urgent, call {phone}."],
    low: ['硬盘快满了，请清理。', 'The disk is nearly full: free some space.'],
    old: ['文件夹里原有 {n} 个旧文件，没有发送。', '{n} old files that were in the folder before were not sent.'],
    kept: ['未发送的图永不删除；已送达的 30 天后从本机删除。', 'What was not sent is never deleted; what was delivered is deleted here after 30 days.'],
    noPatient: ['未填姓名', 'No name']
  };
  var PAIN = 'chest_pain';
  var SYMPTOMS = ['chest_tightness', 'radiating_pain', 'dyspnoea', 'sweating', 'syncope', 'presyncope', 'none'];
  var DISC = 'M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22z';
  var SHAPES = {
    RED: ['red', 'M7 1h10l6 6v10l-6 6H7l-6-6V7z', 'M12 5.5v8', 3, [12, 18, 1.9]],
    ORANGE: ['orange', 'M12 1.5 23.5 22H.5z', 'M12 9v6.5', 2.6, [12, 19, 1.6]],
    YELLOW: ['yellow', 'M12 .5 23.5 12 12 23.5.5 12z', 'M7.5 12h9', 3, null],
    GREEN: ['green', DISC, '', 0, [12, 12, 4.2]],
    UNREAD: ['grey', DISC, 'M9 9.2a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 2', 2.4, [12, 18, 1.5]],
    EQUIPMENT: ['tech', 'M2 2h20v20H2z', 'm7.5 7.5 9 9m0-9-9 9', 2.6, null]
  };
  var TONE = { RED: 'red', ORANGE: 'orange', YELLOW: 'yellow', GREEN: 'green', UNREAD: 'unread' };
  var state = null, reached = true, notTaken = false, cards = {}, opened = {};
  var language = kept('language') || (/^zh/.test(navigator.language || 'zh') ? 'zh' : 'en');
  var theme = kept('theme') || (window.matchMedia && matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');

  function kept(name) { try { return localStorage.getItem(name); } catch (e) { return null; } }
  function keep(name, value) { try { localStorage.setItem(name, value); } catch (e) { return; } }
  function t(key, values) {
    var text = WORDS[key][language === 'zh' ? 0 : 1];
    for (var name in values || {}) text = text.split('{' + name + '}').join(values[name]);
    return text;
  }
  function say(both) { return both ? both[language] || both.zh || '' : ''; }
  function id(name) { return document.getElementById(name); }
  function two(n) { return (n < 10 ? '0' : '') + n; }
  function wall(at) {
    if (at === null || at === undefined) return '';
    var d = new Date(at), today = new Date(), time = two(d.getHours()) + ':' + two(d.getMinutes());
    return d.toDateString() === today.toDateString() ? time : two(d.getMonth() + 1) + '-' + two(d.getDate()) + ' ' + time;
  }

  /* ---- small pieces ---- */
  function el(tag, cls, children) {
    var node = document.createElement(tag);
    if (cls) node.className = cls;
    add(node, children);
    return node;
  }
  function add(node, children) {
    if (children === null || children === undefined || children === '') return;
    if (Object.prototype.toString.call(children) === '[object Array]') { for (var i = 0; i < children.length; i++) add(node, children[i]); return; }
    node.appendChild(typeof children === 'object' ? children : document.createTextNode(String(children)));
  }
  function button(cls, children, act) {
    var node = el('button', cls, children);
    node.type = 'button';
    node.onclick = act;
    return node;
  }
  function clear(node) { while (node.firstChild) node.removeChild(node.firstChild); }
  function fill(node, children) { clear(node); add(node, children); }
  function svg(tag, values) {
    var node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (var name in values) node.setAttribute(name, values[name]);
    return node;
  }
  function shape(kind, size, reversed) {
    var s = SHAPES[kind || 'UNREAD'], ink = reversed ? 'var(--' + s[0] + ')' : 'var(--' + s[0] + '-ink)';
    var node = svg('svg', { width: size, height: size, viewBox: '0 0 24 24', 'aria-hidden': 'true' });
    node.appendChild(svg('path', { d: s[1], fill: reversed ? '#fff' : 'var(--' + s[0] + ')' }));
    if (s[2]) node.appendChild(svg('path', { d: s[2], fill: 'none', stroke: ink, 'stroke-width': s[3], 'stroke-linecap': 'round' }));
    if (s[4]) node.appendChild(svg('circle', { cx: s[4][0], cy: s[4][1], r: s[4][2], fill: ink }));
    return node;
  }

  /* ---- the line to the program ---- */
  function request(method, path, body, done) {
    var x = new XMLHttpRequest();
    x.open(method, path);
    x.timeout = 15000;
    x.setRequestHeader('X-Ecgnet', '1');
    if (body) x.setRequestHeader('Content-Type', 'application/json');
    x.onload = function () { done(x.status, x.responseText); };
    x.onerror = x.ontimeout = function () { done(0, ''); };
    x.send(body ? JSON.stringify(body) : null);
  }
  function listen() {
    request('GET', '/state?known=' + (state ? state.change : -1), null, function (status, text) {
      reached = status === 200;
      if (reached) state = JSON.parse(text);
      render();
      setTimeout(listen, reached ? 100 : 2000);
    });
  }
  function tell(path, body) {
    request('POST', path, body, function (status) {
      notTaken = status !== 200 && status !== 409;
      if (state) render();
    });
  }
  function context(ecg, more) { more.id = ecg.id; tell('/say', more); }

  /* ---- what an ECG is ---- */
  function count(ecg) { return ecg.answer ? 4 : ecg.seen_at ? 3 : ecg.received_at ? 2 : 1; }
  function unreadMessages(ecg) { return ecg.messages.filter(function (m) { return !m.read_back_at; }).length > 0; }
  function isFinished(ecg) { return count(ecg) === 4 && !!ecg.read_back_at && !unreadMessages(ecg); }
  function who(ecg) {
    var p = ecg.patient || {}, parts = [];
    if (p.name) parts.push(p.name);
    if (p.sex) parts.push(t(p.sex === 'male' ? 'male' : 'female'));
    if (p.age_years !== null && p.age_years !== undefined) parts.push(t('age', { n: Math.floor(p.age_years) }));
    return parts.join(' ');
  }
  function about(ecg) {
    var g = ecg.grade, parts = [wall(ecg.found_at), ecg.name];
    if (!g) parts.push(t('reading'));
    else if (!g.problem) {
      parts.push(t('leads', { n: g.leads }), t('seconds', { n: g.seconds }));
      if (g.measurements.heart_rate_bpm !== null) parts.push(t('rate', { n: Math.round(g.measurements.heart_rate_bpm) }));
      parts.push(t('quality', { grade: g.grade }));
    }
    return parts.join(' · ');
  }
  function small(ecg, step) {
    var n = count(ecg);
    if (step === 0) return [wall(ecg.found_at)];
    if (step === 1) {
      if (ecg.received_at) return [wall(ecg.received_at)];
      if (ecg.state === 'refused') return [t('refused')];
      if (state.line.trouble) return [t('waitingNet')];
      return [ecg.progress === null ? t('waiting') : t('sending', { n: Math.round(ecg.progress * 100) })];
    }
    if (step === 2) return ecg.seen_at ? [ecg.seen_by || '', wall(ecg.seen_at)] : n === 2 ? [t(ecg.urgent || ecg.colour === 'RED' || ecg.colour === 'ORANGE' ? 'calling' : 'inQueue')] : [];
    return ecg.answer ? [wall(ecg.answer.at)] : [];
  }
  function steps(ecg) {
    var n = count(ecg), list = el('ol', 'steps');
    list.setAttribute('aria-label', t('progress'));
    ['saved', 'delivered', 'seen', 'answer'].forEach(function (step, i) {
      var mark = el('i', '', i < n ? '✓' : String(i + 1)), item = el('li', i < n ? 'done' : i === n ? 'now' : '', [mark, t('step_' + step)]);
      mark.setAttribute('aria-hidden', 'true');
      if (i === n) item.setAttribute('aria-current', 'step');
      small(ecg, i).forEach(function (line) { if (line) add(item, el('small', '', line)); });
      add(list, item);
    });
    return list;
  }
  function note(head, what, cls) { return el('div', 'note ' + (cls || ''), [el('b', '', head), el('span', '', what)]); }
  function advice(ecg) {
    var g = ecg.grade, retake = ecg.advice.filter(function (a) { return a.code === 'RETAKE'; })[0];
    if (retake) return note(t('retakeAsked') + '：' + say(retake), '');
    if (ecg.answer || !g) return null;
    if (g.problem) return note(t('unreadable'), [say(g.problem), ' ', t('unreadableWhat')]);
    if (g.advice.length) return note(g.advice.map(say).join(' '), t('retakeWhat'));
    return ecg.colour === 'RED' || ecg.colour === 'ORANGE' ? null : note(t('fine'), t('fineWhat'), 'fine');
  }
  function told(ecg) {
    var answer = ecg.answer, words = answer || ecg.instruction, colour = (answer ? answer.colour : ecg.colour) || 'UNREAD';
    if (!words || (!answer && !ecg.colour)) return null;
    var box = el('div', 'told ' + TONE[colour] + (answer ? '' : ' machine'));
    add(box, el('div', 'hd', [shape(colour, 44, colour === 'RED'), el('div', '', [el('p', '', [t(colour), who(ecg) ? ' · ' + who(ecg) : '']), el('h4', '', say(words))])]));
    if (words.action) add(box, el('p', 'act', say(words.action)));
    if (!answer) { add(box, el('p', 'by', t('machine'))); return box; }
    add(box, el('p', 'by', t('by', { name: answer.by ? answer.by.name : '', time: wall(answer.at) })));
    if (ecg.read_back_at) add(box, el('p', 'by', t('readDone', { time: wall(ecg.read_back_at) })));
    else if (ecg.reading.indexOf(null) >= 0) add(box, el('p', 'by', t('readOwed')));
    else add(box, button('btn primary read', t('read'), function () { tell('/read', { id: ecg.id }); }));
    box.setAttribute('role', 'alert');
    return box;
  }
  function message(ecg, m) {
    var box = el('div', 'msg', [el('small', '', t('doctorSays', { name: m.from ? m.from.name : '', time: wall(m.at) })), el('p', '', m.text)]);
    if (m.read_back_at) add(box, el('small', '', t('readDone', { time: wall(m.read_back_at) })));
    else if (ecg.reading.indexOf(m.id) >= 0) add(box, el('small', '', t('readOwed')));
    else add(box, button('btn primary', t('readMessage'), function () { tell('/read', { id: ecg.id, message: m.id }); }));
    return box;
  }

  /* ---- one card: its buttons and its form stay in place while the rest is drawn anew ---- */
  function big(card, cls, press) {
    var node = button('big ' + cls, '', function () { press(card.ecg); });
    node.head = el('span');
    node.what = el('small');
    add(node, [node.head, node.what]);
    return node;
  }
  function toggle(ecg, word) {
    var on = ecg.symptoms.indexOf(word) >= 0;
    if (!on) context(ecg, { symptoms: [word] });
    else if (ecg.may_lower) context(ecg, { denied: [word] });
  }
  function newCard(ecg) {
    var card = { ecg: ecg, node: el('section', 'card'), top: el('div'), form: el('div', 'form'), more: el('div', 'more'), picture: null, chips: {} };
    card.pain = big(card, '', function (e) { toggle(e, PAIN); });
    card.sos = big(card, 'sos', function (e) { if (!e.urgent) context(e, { urgent: true }); else if (e.may_lower) context(e, { urgent: false }); });
    card.open = button('quiet', '', function () { card.form.hidden = !card.form.hidden; if (card.form.hidden) clear(card.form); else form(card); draw(card); });
    card.see = button('quiet', '', function () { see(card); });
    card.retry = button('quiet', '', function () { tell('/again', { id: card.ecg.id }); });
    card.form.hidden = true;
    add(card.more, [card.open, card.see, card.retry]);
    add(card.node, [card.top, el('div', 'pair', [card.pain, card.sos]), card.more, card.form]);
    return card;
  }
  function pressed(node, on, head, what) {
    node.setAttribute('aria-pressed', on ? 'true' : 'false');
    if (node.head.textContent !== head) node.head.textContent = head;
    if (node.what.textContent !== what) node.what.textContent = what;
  }
  function draw(card) {
    var ecg = card.ecg, pain = ecg.symptoms.indexOf(PAIN) >= 0;
    var knows = ecg.received_at ? t(ecg.is_owed ? 'owed' : 'knows') : null;
    card.node.className = 'card' + (ecg.urgent ? ' urgent' : '');
    var key = JSON.stringify([language, theme, ecg, state.line.trouble !== null]);
    if (card.key !== key) {
      card.key = key;
      var title = who(ecg) || t('at', { time: wall(ecg.found_at) });
      fill(card.top, [el('div', 'head', el('div', 'who', [el('h3', '', title), el('p', 'num', about(ecg))])), steps(ecg)]);
      ecg.messages.forEach(function (m) { if (!m.read_back_at) add(card.top, message(ecg, m)); });
      add(card.top, [told(ecg), ecg.problem ? note(t('refused'), say(ecg.problem)) : null, advice(ecg)]);
      ecg.messages.forEach(function (m) { if (m.read_back_at) add(card.top, message(ecg, m)); });
    }
    pressed(card.pain, pain, t('pain'), pain && knows ? knows : t('painWhat'));
    pressed(card.sos, ecg.urgent, t('sos'), ecg.urgent ? (knows ? t('sosOn') + ' · ' + knows : t('sosKept')) : t('sosWhat'));
    card.open.textContent = t(card.form.hidden ? 'more' : 'less');
    card.open.setAttribute('aria-expanded', card.form.hidden ? 'false' : 'true');
    card.see.textContent = t(card.picture ? 'hide' : 'show');
    card.see.hidden = !ecg.grade || !!ecg.grade.problem || ecg.state === 'removed';
    card.retry.textContent = t('again');
    card.retry.hidden = ecg.state !== 'refused';
    for (var word in card.chips) card.chips[word].setAttribute('aria-pressed', ecg.symptoms.indexOf(word) >= 0 ? 'true' : 'false');
  }
  function form(card) {
    var ecg = card.ecg, group = el('div', 'chips'), name = el('input'), number = el('input'), sex = el('select'), done = el('span');
    clear(card.form);
    card.chips = {};
    SYMPTOMS.forEach(function (word) {
      card.chips[word] = button('chip', t('sx_' + word), function () { toggle(card.ecg, word); });
      add(group, card.chips[word]);
    });
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', t('sx'));
    name.value = (ecg.patient && ecg.patient.name) || '';
    name.maxLength = number.maxLength = 100;
    name.autocomplete = number.autocomplete = 'off';
    ['', 'male', 'female'].forEach(function (value) { var o = el('option', '', value ? t(value) : ''); o.value = value; add(sex, o); });
    sex.value = (ecg.patient && ecg.patient.sex) || '';
    done.setAttribute('role', 'status');
    var save = button('btn', t('save'), function () {
      var patient = {};
      if (name.value) patient.name = name.value;
      if (number.value) patient.id_number = number.value;
      if (sex.value) patient.sex = sex.value;
      context(card.ecg, { patient: patient });
      done.textContent = t('saved');
    });
    add(card.form, [el('p', '', t('sx')), group, el('div', 'fields', [el('label', '', [t('name'), name]), el('label', '', [t('idNumber'), number]), el('label', '', [t('sex'), sex]), save]), done]);
  }
  function see(card) {
    if (card.picture) { if (card.picture.parentNode) card.node.removeChild(card.picture); card.picture = null; draw(card); return; }
    request('GET', '/drawing?id=' + card.ecg.id + '&language=' + language, null, function (status, text) {
      card.picture = status === 200 ? el('img', 'ecg') : el('p', 'form', t('noDrawing'));
      if (status === 200) {
        card.picture.alt = t('tracing');
        card.picture.src = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' }));
      }
      add(card.node, card.picture);
      draw(card);
    });
  }

  /* ---- the whole page ---- */
  function phone() { return (state && state.county && state.county.phone) || '120'; }
  function dial() { return 'tel:' + phone().replace(/[^0-9+]/g, ''); }
  function strips() {
    var list = [], values = { phone: phone() };
    if (!reached) list.push(t('program', values));
    else {
      if (notTaken) list.push(t('notTaken', values));
      if (state.disk.is_full) list.push(t('full', values));
      else if (state.disk.is_low) list.push(t('low'));
      if (state.folder.is_gone) list.push(t('gone', { path: state.folder.path }));
      if (state.line.trouble) list.push(t('cut', { why: say(state.line.trouble).replace(/[。.]$/, ''), phone: phone() }));
    }
    var key = list.join('\n');
    if (id('strips').key === key) return;
    id('strips').key = key;
    fill(id('strips'), list.map(function (text) { return el('p', 'strip', [shape('EQUIPMENT', 24), el('span', '', text)]); }));
  }
  function alarm() {
    var late = reached && state.late.length > 0, key = late ? language + phone() + theme : '';
    sound.wanted = late;
    if (id('alarm').key === key) return;
    id('alarm').key = key;
    clear(id('alarm'));
    if (!late) return;
    var mark = el('span', 'mark lamp', shape('RED', 56, true)), call = el('a', '', phone());
    call.href = dial();
    var box = el('div', 'alarm', [mark, el('div', 'say', [el('h1', '', t('late')), el('p', '', t('lateWhat'))]), call, button('', t('silence'), function () { sound.quietUntil = Date.now() + 120000; sound.unlock(); })]);
    box.setAttribute('role', 'alert');
    add(id('alarm'), box);
  }
  function render() {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
    document.documentElement.setAttribute('data-theme', theme);
    id('language').textContent = t('other');
    id('language').lang = language === 'zh' ? 'en' : 'zh-CN';
    id('theme').textContent = t(theme === 'dark' ? 'light' : 'dark');
    if (!state) { if (!reached) { state = null; fill(id('strips'), el('p', 'strip', [shape('EQUIPMENT', 24), el('span', '', t('program', { phone: '120' }))])); } return; }
    id('site').textContent = state.site ? state.site.name : t('title');
    id('county').textContent = state.county ? state.county.name : '';
    id('phone').textContent = phone();
    id('call').href = dial();
    id('phone-what').textContent = t(state.county && state.county.phone ? 'countyPhone' : 'noPhone');
    alarm();
    strips();
    lists();
    var foot = [t('kept')];
    if (state.folder.old) foot.push(t('old', { n: state.folder.old }));
    id('foot').textContent = foot.join(' ') + ' · ' + state.folder.path + ' · ecgnet ' + state.version;
    var waits = state.ecgs.filter(function (e) { return e.answer && !e.read_back_at; }).length;
    document.title = (state.late.length ? '‼ ' : waits ? '(' + waits + ') ' : '') + t('title') + (state.site ? ' · ' + state.site.name : '');
  }
  function pressing(ecg) { return (ecg.answer && !ecg.read_back_at && ecg.reading.indexOf(null) < 0 ? 8 : 0) + (ecg.urgent ? 4 : 0) + (ecg.symptoms.length && ecg.symptoms[0] !== 'none' ? 2 : 0); }
  function lists() {
    var open = [], sent = [];
    state.ecgs.forEach(function (ecg) { (isFinished(ecg) && !opened[ecg.id] ? sent : open).push(ecg); });
    open.sort(function (a, b) { return pressing(b) - pressing(a) || b.id - a.id; });
    id('open-title').textContent = t('open');
    id('empty').hidden = open.length > 0;
    if (!open.length) fill(id('empty'), [el('b', '', t('none')), t('noneHow')]);
    var alive = {}, place = id('cards');
    open.forEach(function (ecg, i) {
      var card = cards[ecg.id] || (cards[ecg.id] = newCard(ecg));
      alive[ecg.id] = true;
      card.ecg = ecg;
      draw(card);
      if (place.children[i] !== card.node) place.insertBefore(card.node, place.children[i] || null);
    });
    for (var which in cards) if (!alive[which]) { if (cards[which].node.parentNode) place.removeChild(cards[which].node); delete cards[which]; }
    id('sent-title').textContent = sent.length ? t('sent') : '';
    id('sent-title').hidden = !sent.length;
    var key = JSON.stringify([language, theme, sent]);
    if (id('sent').key === key) return;
    id('sent').key = key;
    fill(id('sent'), sent.map(function (ecg) {
      return el('li', '', button('row', [shape(ecg.answer.colour, 22), el('b', '', who(ecg) || t('noPatient')), el('span', '', say(ecg.answer)), el('small', '', wall(ecg.found_at))], function () { opened[ecg.id] = true; render(); }));
    }));
  }

  /* ---- the alarm's sound: ten pulses, as for a high priority, again after five seconds ---- */
  var sound = {
    wanted: false, quietUntil: 0, context: null,
    unlock: function () {
      var Context = window.AudioContext || window.webkitAudioContext;
      if (!Context) return;
      if (!sound.context) sound.context = new Context();
      if (sound.context.resume) sound.context.resume();
    },
    play: function () {
      if (!sound.wanted || Date.now() < sound.quietUntil) return;
      sound.unlock();
      var c = sound.context, notes = [262, 330, 392, 392, 523];
      if (!c || c.state === 'suspended') return;
      for (var i = 0; i < 10; i++) {
        var at = c.currentTime + 0.05 + i * 0.25 + (i >= 5 ? 0.5 : 0), gain = c.createGain();
        gain.gain.setValueAtTime(0, at);
        gain.gain.linearRampToValueAtTime(0.18, at + 0.02);
        gain.gain.setValueAtTime(0.18, at + 0.13);
        gain.gain.linearRampToValueAtTime(0, at + 0.15);
        gain.connect(c.destination);
        for (var h = 1; h <= 4; h++) {
          var o = c.createOscillator();
          o.frequency.value = notes[i % 5] * h;
          o.connect(gain);
          o.start(at);
          o.stop(at + 0.16);
        }
      }
    }
  };
  setInterval(sound.play, 8000);
  document.addEventListener('click', sound.unlock);

  id('language').onclick = function () { language = language === 'zh' ? 'en' : 'zh'; keep('language', language); for (var c in cards) if (!cards[c].form.hidden) form(cards[c]); render(); };
  id('theme').onclick = function () { theme = theme === 'dark' ? 'light' : 'dark'; keep('theme', theme); render(); };
  render();
  listen();
})();
