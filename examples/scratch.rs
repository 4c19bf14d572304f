use groktime::data::features::*; use groktime::ridge::*; use groktime::linalg::*; use groktime::trajectory::*; use std::time::Instant;
fn main(){
  let (n,m)=(100,1000);
  for seed in 0..3u64 {
    let f=gaussian_matrix(n,m,1.0/m as f64,&mut generator(seed,0));
    let p=Problem{features:f.view(),target:Target::teacher(unit_vector(m,&mut generator(seed,1))),init:gaussian_vector(m,1.0,&mut generator(seed,2)),population:Population::isotropic(m,1.0/m as f64)};
    let s=p.spectrum(Engine::SEQUENTIAL).unwrap();
    let set=Settings{step_size:1.0,weight_decay:1e-4,..Default::default()};
    let d=s.descent(&set).unwrap();
    let t=d.times(0.01,0.01).unwrap();
    let fl=s.flow(&set).unwrap().times(0.01,0.01).unwrap();
    println!("{t:?}\n {fl:?}");
    println!("{:?} {:?}", d.train_loss(t.train.time().unwrap()), d.test_loss(t.test.time().unwrap()));
    // brute
    let mut th=p.init.clone(); let star=match &p.target{Target::Teacher{weights,..}=>weights.clone(),_=>panic!()};
    let mut t1=-1i64; let mut t2=None;
    for k in 0..30000 { let r=f.dot(&(&th-&star)); let l=r.dot(&r)/(2.0*n as f64); let e=&th-&star; let test=e.dot(&e)/m as f64;
      if l>=0.01 {t1=k;} if test<=0.01 && t2.is_none() {t2=Some(k)}
      if k==1000 { println!("k1000 {:e} {:e} vs {:e} {:e}", l, test, d.train_loss(1000).value, d.test_loss(1000).unwrap().value); let st=d.state(1000).unwrap(); println!("state err {:e}", (&st-&th).mapv(|x|x.abs()).fold(0.0f64,|a,&b|a.max(b))); }
      let g=f.t().dot(&r)/n as f64; th=&th-&(g+&th*1e-4); }
    println!("brute {t1} {t2:?}");
  }
  let f=gaussian_matrix(n,m,1.0/m as f64,&mut generator(0,0));
  let p=Problem{features:f.view(),target:Target::teacher(unit_vector(m,&mut generator(0,1))),init:gaussian_vector(m,1.0,&mut generator(0,2)),population:Population::isotropic(m,1.0/m as f64)};
  let mut v=vec![]; let mut w=vec![]; let mut u=vec![];
  for _ in 0..200 { let a=Instant::now(); let s=p.spectrum(Engine::SEQUENTIAL).unwrap(); let b=Instant::now(); let d=s.descent(&Settings{weight_decay:1e-4,..Default::default()}).unwrap(); let c=Instant::now(); let t=d.times(0.01,0.01).unwrap(); std::hint::black_box(t); w.push((c-b).as_secs_f64()*1e6); v.push(c.elapsed().as_secs_f64()*1e6); u.push((b-a).as_secs_f64()*1e6);}
  for x in [&mut u,&mut w,&mut v] { x.sort_by(f64::total_cmp); println!("{:.1} us min {:.1}", x[100], x[0]); }
}
