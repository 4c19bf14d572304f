use groktime::ridge::*; use groktime::linalg::*; use std::time::Instant;
fn bench(name:&str, mut f: impl FnMut(), k: usize){ let mut v:Vec<f64>=(0..k).map(|_|{let t=Instant::now(); f(); t.elapsed().as_secs_f64()*1e6}).collect(); v.sort_by(f64::total_cmp); println!("{name}: median {:.1} us  min {:.1}", v[k/2], v[0]); }
fn main(){
  let r=Recipe::default(); let i=r.draw().unwrap(); let p=i.problem(); let set=Settings{weight_decay:1e-4,..Default::default()};
  let s=p.spectrum(Engine::SEQUENTIAL).unwrap();
  let d=s.descent(&set).unwrap();
  bench("t1", ||{ std::hint::black_box(d.last_unfit(0.01).unwrap()); }, 200);
  bench("t2", ||{ std::hint::black_box(d.first_general(0.01).unwrap()); }, 200);
  bench("train_loss", ||{ std::hint::black_box(d.train_loss(std::hint::black_box(208))); }, 2000);
  bench("descent", ||{ std::hint::black_box(s.descent(&set).unwrap()); }, 200);
  bench("spectrum", ||{ std::hint::black_box(p.spectrum(Engine::SEQUENTIAL).unwrap()); }, 200);
  let g=Engine::SEQUENTIAL.gram(i.features.view());
  bench("gram", ||{ std::hint::black_box(Engine::SEQUENTIAL.gram(i.features.view())); }, 200);
  bench("eigh", ||{ std::hint::black_box(Engine::SEQUENTIAL.eigh(g.view()).unwrap()); }, 200);
  bench("matvec", ||{ std::hint::black_box(Engine::SEQUENTIAL.matvec(i.features.view(), p.init.view()).unwrap()); }, 200);
  bench("matvect", ||{ std::hint::black_box(Engine::SEQUENTIAL.matvec(i.features.t(), p.init.slice(ndarray::s![..100])).unwrap()); }, 200);
  bench("statements", ||{ std::hint::black_box(d.statements(&Default::default()).unwrap()); }, 20);
}
